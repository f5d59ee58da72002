"""What to change when a stage does not fit into memory: the least, by the memory model, in the recipe's own words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from novelray.plan.memory import Strategy, estimate
from novelray.plan.shape import ModelShape
from novelray.recipe.train import LoraSection

ROOM = 0.9
"""Share of a device that the estimate may fill; the rest is for kernels, libraries and fragmentation."""

SHORTEST = 256  # tokens; rows below that teach little


@dataclass(frozen=True)
class Remedy:
    """Settings that make a stage fit, and what it then needs (bytes). `same`: what is trained stays the same."""

    settings: dict[str, Any]
    total: int
    same: bool

    def __str__(self) -> str:
        return " and ".join(f"{key}: {_spelled(value)}" for key, value in self.settings.items())


@dataclass(frozen=True)
class _Step:
    settings: dict[str, Any]
    strategy: Strategy
    same: bool = True


def first_fit(shape: ModelShape, strategy: Strategy, limit: int) -> Remedy | None:
    """The first change that fits into `limit` bytes, else the first few together; None when all of them do not.

    In the order of what they cost: a smaller micro-batch, recomputed activations, state shared out among the workers,
    the optimiser in CPU memory; then what changes the result, an adapter instead of all weights and shorter rows.
    """
    for step in _changes(strategy):
        found = _held(shape, step, limit)
        if found is not None:
            return found
    together = _Step({}, strategy)
    while (further := _next(together)) is not None:
        together = further
        found = _held(shape, together, limit)
        if found is not None:
            return found
    return None


def _held(shape: ModelShape, step: _Step, limit: int) -> Remedy | None:
    total = estimate(shape, step.strategy).total
    return Remedy(step.settings, total, step.same) if total <= limit else None


def _changes(now: Strategy) -> Iterator[_Step]:
    """Each change alone."""
    for size in _halves(now.micro_batch, 1):
        yield _Step({"train.micro_batch": size}, replace(now, micro_batch=size))
    if not now.recompute:
        yield _Step({"train.activation_checkpointing": True}, replace(now, recompute=True))
    if now.workers > 1:
        for zero in range(max(now.zero, 1 if now.bf16 else 0) + 1, 3 if now.frozen_base else 4):
            yield _Step({"scaling.zero": zero}, replace(now, zero=zero))
    if not now.offload:
        zero = max(now.zero, 1)
        settings: dict[str, Any] = {"scaling.offload": "optimizer"} | ({} if now.zero else {"scaling.zero": zero})
        settings |= {"train.optimizer": "adamw"} if now.small_moments else {}
        yield _Step(settings, replace(now, offload=True, zero=zero, small_moments=False))
    if not now.frozen_base:
        moved = replace(now, lora=LoraSection(), zero=min(now.zero, 2), frozen=0, offload_weights=False)
        settings = {"train.method": "lora"} | ({"scaling.zero": 2} if now.zero > 2 else {})
        settings |= {"scaling.offload": "optimizer"} if now.offload_weights else {}
        yield _Step(settings, moved, same=False)
    for context in _halves(now.context, SHORTEST):
        yield _Step({"shards.context": context}, replace(now, context=context), same=False)


def _next(so_far: _Step) -> _Step | None:
    """The changes so far and the next one that is left, as far as it goes."""
    left = [step for step in _changes(so_far.strategy) if not step.settings.keys() <= so_far.settings.keys()]
    if not left:
        return None
    key = next(iter(left[0].settings))
    step = [one for one in left if next(iter(one.settings)) == key][-1]
    return _Step({**so_far.settings, **step.settings}, step.strategy, so_far.same and step.same)


def _halves(value: int, least: int) -> Iterator[int]:
    """Half of it, half of that, and so on, while whole."""
    while value % 2 == 0 and value // 2 >= least:
        value //= 2
        yield value


def _spelled(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

"""Out of memory, told with what was asked for and the first change that the memory model says will fit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from novelray.errors import CapacityError, NovelRayError
from novelray.plan import (
    ROOM,
    ModelShape,
    Strategy,
    big_bytes,
    estimate,
    remedy_text,
    shape_of,
    shape_of_scratch,
    strategy_of,
)
from novelray.train.job import Job, Place

if TYPE_CHECKING:
    from pathlib import Path

SIGNS = ("out of memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "not enough memory")
LESS = 0.8
"""The estimate was too low for the device if it ran out below it: a change has to save at least a fifth."""


def out_of_memory(error: BaseException, job: Job, place: Place) -> NovelRayError | None:
    """What to tell when `error` says that the device, or the machine, has no memory left; None for another error.

    Another try would meet it again: the error is one that is not retried.
    """
    import torch

    text = str(error)
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    if not known and not (isinstance(error, RuntimeError) and any(sign in text for sign in SIGNS)):
        return None
    has = _has(place)
    where = f"{place.device} ({big_bytes(has)})" if has else place.device
    start = f"Stage {job.stage.name!r} ran out of memory on {where}"
    shape = _shape(job)
    if shape is None:
        return CapacityError(
            f"{start}, at train.micro_batch {job.stage.micro_batch} and shards.context {job.context}.",
            "Lower train.micro_batch, or set train.activation_checkpointing: true. The last commit is kept.",
        )
    strategy = strategy_of(job.stage, job.scaling, job.context, place.has_bf16)
    strategy = replace(strategy, workers=place.world)
    return CapacityError(
        f"{start}: {_used(shape, strategy)}.", f"{_advice(shape, strategy, has)} The last commit is kept."
    )


def _used(shape: ModelShape, strategy: Strategy) -> str:
    memory = estimate(shape, strategy)
    parts = ", ".join(f"{name} {big_bytes(size)}" for name, size in memory.parts.items())
    return f"about {big_bytes(memory.total)} by estimate ({parts})"


def _advice(shape: ModelShape, strategy: Strategy, has: int | None) -> str:
    needed = estimate(shape, strategy).total
    limit = int(LESS * needed) if has is None else int(min(ROOM * has, LESS * needed))
    return remedy_text(shape, strategy, limit)


def _has(place: Place) -> int | None:
    """Bytes of the device that this process can have: those of its GPU less what other programs hold."""
    import torch

    if not place.cuda:
        return None
    free, _ = torch.cuda.mem_get_info(place.device)
    return int(free + torch.cuda.memory_reserved(place.device))


def _shape(job: Job) -> ModelShape | None:
    """The shape of the model that the stage trains, or None where it cannot be told."""
    from novelray.checkpoints.delivery import bottom_of
    from novelray.shards.tokenizer import load_tokenizer
    from novelray.train.setup import folder_of

    try:
        if job.source.startswith("scratch:"):
            return shape_of_scratch(job.source, len(load_tokenizer(folder_of(job.tokenizer, job))))
        folder: Path = bottom_of(folder_of(job.source, job), job.artifacts)
        return shape_of(json.loads((folder / "config.json").read_text("utf-8")))
    except (NovelRayError, OSError, ValueError, MemoryError):
        return None

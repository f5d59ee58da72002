"""The plan of a recipe: what it asks for, held against what is known, in sentences. Needs no GPU and runs nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from novelray.plan.memory import Memory, Strategy, estimate, strategy_of, trained_by
from novelray.plan.rates import unusual_rates
from novelray.plan.remedy import ROOM, first_fit
from novelray.plan.shape import ModelShape, parameters
from novelray.recipe import Recipe, guide
from novelray.recipe.train import StageSection

GUIDE = "by the field's guide"


@dataclass(frozen=True)
class Facts:
    """What is known beside the recipe; what is not known is left out, and nothing is said about it.

    `tokens`: tokens of training text, without padding. `rows`: training rows per stage name. `shape`: the base's.
    `bf16`: whether the workers will compute in bf16. `worker_memory`: bytes on one worker's device.
    """

    tokens: int | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    shape: ModelShape | None = None
    bf16: bool = False
    worker_memory: int | None = None


@dataclass(frozen=True)
class Finding:
    """One sentence about the plan. `warn`: it deserves a second thought; never more, since the user decides."""

    level: Literal["ok", "warn"]
    text: str


@dataclass(frozen=True)
class StagePlan:
    """What one stage will do. Numbers that depend on facts that are not known are None."""

    name: str
    method: str
    accumulation: int
    rows: int | None
    steps_per_epoch: int | None
    steps: int | None
    trained: int | None
    memory: Memory | None
    strategy: Strategy


@dataclass(frozen=True)
class Plan:
    """The stages and what there is to say about them."""

    recipe: str
    objective: str
    tokens: int | None
    parameters: int | None
    stages: tuple[StagePlan, ...]
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.level == "warn")


def plan(recipe: Recipe, facts: Facts) -> Plan:
    """Hold a recipe against the facts."""
    stages = tuple(_stage(recipe, stage, facts) for stage in recipe.train.resolved())
    size = parameters(facts.shape) if facts.shape else None
    findings = [*_volume(recipe.plan.objective, facts.tokens), *_mark(facts.tokens, size)]
    for stage in stages:
        findings += [*_length(stage, recipe), *_fit(stage, facts)]
    findings += [*_sparseness(recipe), *(Finding("warn", text) for text in unusual_rates(recipe))]
    return Plan(recipe.name, recipe.plan.objective, facts.tokens, size, stages, tuple(findings))


def steps_per_epoch(rows: int, global_batch: int) -> int:
    """Optimiser steps in a pass over the rows; the last may be short."""
    return -(-rows // global_batch)


def accumulation(stage: StageSection, workers: int) -> int:
    """Micro-batches that a worker adds up before each optimiser step."""
    return stage.global_batch // (stage.micro_batch * workers)


def _stage(recipe: Recipe, stage: StageSection, facts: Facts) -> StagePlan:
    rows = facts.rows.get(stage.name)
    new_per_batch = stage.global_batch - stage.continual.old_per_batch(stage.global_batch)
    per_epoch = None if rows is None else steps_per_epoch(rows, new_per_batch)
    steps = None if per_epoch is None else min(per_epoch * stage.epochs, stage.max_steps or per_epoch * stage.epochs)
    strategy = strategy_of(stage, recipe.scaling, recipe.shards.context, facts.bf16)
    trained = trained_by(facts.shape, strategy) if facts.shape else None
    memory = estimate(facts.shape, strategy) if facts.shape else None
    accumulated = accumulation(stage, recipe.scaling.workers)
    return StagePlan(stage.name, stage.method, accumulated, rows, per_epoch, steps, trained, memory, strategy)


def _volume(objective: str, tokens: int | None) -> Iterator[Finding]:
    if tokens is None:
        return
    wanted = guide.volume(objective)
    said = f"{_big(tokens)} tokens of training text; objective {objective!r} wants {_big(wanted)} {GUIDE}"
    if tokens >= wanted:
        yield Finding("ok", f"{said}.")
    else:
        yield Finding("warn", f"{said}: {tokens / wanted:.1%} of it. Add books, or expect a voice more than a writer.")


def _mark(tokens: int | None, size: int | None) -> Iterator[Finding]:
    if tokens is None or size is None:
        return
    value = guide.mark(tokens, size)
    said = f"Text × size is {value:,.3g} (M tokens × B parameters); the mark is {guide.MARK:g} {GUIDE}"
    if value >= guide.MARK:
        yield Finding("ok", f"{said}.")
    else:
        yield Finding("warn", f"{said}: this model reaches it at {_big(guide.tokens_for_mark(size))} tokens.")


def _length(stage: StagePlan, recipe: Recipe) -> Iterator[Finding]:
    if stage.rows is None or stage.steps is None:
        return
    if stage.rows == 0:
        yield Finding("warn", f"Stage {stage.name!r} has no rows: does its `books` match any book?")
        return
    said = f"Stage {stage.name!r}: {stage.rows:,} rows, {stage.steps:,} steps of {stage.accumulation} accumulation."
    yield Finding("ok", said)
    section = next(s for s in recipe.train.resolved() if s.name == stage.name)
    if stage.rows < section.global_batch:
        yield Finding(
            "warn",
            f"Stage {stage.name!r} has fewer rows ({stage.rows}) than train.global_batch ({section.global_batch}): "
            "every step is short.",
        )
    if stage.steps < section.validate_every:
        yield Finding(
            "warn",
            f"Stage {stage.name!r} ends after {stage.steps} steps, before the first validation "
            f"(train.validate_every is {section.validate_every}).",
        )


def _sparseness(recipe: Recipe) -> Iterator[Finding]:
    attention, context = recipe.model.attention, recipe.shards.context
    if attention is None or attention.type == "full":
        return
    if attention.reach >= context:
        yield Finding(
            "warn",
            f"Sparse attention reaches {attention.reach:,} tokens and shards.context is {context:,}: full attention is "
            "exact and as fast. Leave model.attention out, or lower its window_blocks or random_blocks.",
        )
    else:
        yield Finding("ok", f"Sparse attention: at most {attention.reach:,} of {context:,} tokens are looked at.")


def _fit(stage: StagePlan, facts: Facts) -> Iterator[Finding]:
    available = facts.worker_memory
    if stage.memory is None or facts.shape is None:
        return
    said = f"Stage {stage.name!r} needs about {big_bytes(stage.memory.total)} per worker"
    if available is None:
        yield Finding("ok", f"{said} (estimated).")
    elif stage.memory.total <= ROOM * available:
        yield Finding("ok", f"{said} of {big_bytes(available)} (estimated).")
    else:
        advice = remedy_text(facts.shape, stage.strategy, int(ROOM * available))
        yield Finding("warn", f"{said} (estimated), and a worker has {big_bytes(available)}. {advice}")


def remedy_text(shape: ModelShape, strategy: Strategy, limit: int) -> str:
    """The least change with which a stage fits into so many bytes by the estimate, as advice."""
    found = first_fit(shape, strategy, limit)
    if found is None:
        return "No setting here makes it fit: use more workers with scaling.zero 3, larger GPUs or a smaller base."
    result = "" if found.same else "; that trains something else"
    return f"With {found} it needs about {big_bytes(found.total)}{result}."


def lines(plan: Plan) -> list[str]:
    """The plan for a terminal, a line each."""
    size = "size not known" if plan.parameters is None else f"{_big(plan.parameters)} parameters"
    tokens = "text not counted yet" if plan.tokens is None else f"{_big(plan.tokens)} tokens"
    out = [f"{plan.recipe}: objective {plan.objective}, {tokens}, {size}"]
    for stage in plan.stages:
        trained = "" if stage.trained is None else f", {_big(stage.trained)} weights trained"
        steps = "" if stage.steps is None else f", {stage.steps:,} steps"
        out.append(f"  {stage.name}: {stage.method}{trained}, accumulation {stage.accumulation}{steps}{_split(stage)}")
    marks = {"ok": "✓", "warn": "!"}
    return [*out, *(f"  {marks[finding.level]} {finding.text}" for finding in plan.findings)]


def _split(stage: StagePlan) -> str:
    memory = stage.memory
    if memory is None:
        return ""
    host = f"; {big_bytes(memory.host)} in CPU memory" if memory.host else ""
    return f", {big_bytes(memory.total)} ({', '.join(f'{k} {big_bytes(v)}' for k, v in memory.parts.items())}{host})"


def _big(number: int) -> str:
    for unit, size in (("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)


def big_bytes(number: int) -> str:
    """Bytes for people."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:.1f} {unit}"
    return f"{number} B"

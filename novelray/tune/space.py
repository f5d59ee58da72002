"""What a sweep tries: pure functions from the recipe's tune section to stages, concurrency and a winner."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from novelray.recipe import Recipe
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.train import StageSection
from novelray.recipe.tune import TuneSection


@dataclass(frozen=True)
class Trial:
    """One combination and what came of it. `loss`: best validation loss in nats per token; None when it failed."""

    values: dict[str, Any]
    loss: float | None
    steps: int
    stopped_early: bool


def stage_of_trial(stage: StageSection, section: TuneSection, values: dict[str, Any]) -> StageSection:
    """The stage with a trial's values, at the sweep's length, validating at least where ASHA first looks."""
    lora = stage.lora.model_copy(update={"rank": values.get("lora_rank", stage.lora.rank)})
    every = min(stage.validate_every, section.grace_steps)
    return stage.model_copy(update={
        "learning_rate": values["learning_rate"], "lora": lora, "max_steps": section.max_steps,
        "epochs": 10**6, "validate_every": every, "early_stopping": None,
    })  # fmt: skip


def concurrency(scaling: ScalingSection, section: TuneSection, cpus: int, gpus: int) -> int:
    """Trials that fit at once: more would wait for each other's workers for ever. At least one, at most all of them."""
    per_trial = scaling.workers
    if scaling.device == "gpu" or (scaling.device == "auto" and gpus >= per_trial):
        room = gpus // per_trial
    else:
        room = cpus // (per_trial * (scaling.cpus_per_worker or 1))
    return max(1, min(room, section.trials, section.max_concurrent or section.trials))


def share_of_cpus(scaling: ScalingSection, cpus: int, at_once: int) -> int:
    """CPUs per worker when `at_once` trials share the cluster."""
    return scaling.cpus_per_worker or max(1, cpus // (at_once * scaling.workers))


def winner(trials: Sequence[Trial]) -> Trial | None:
    """The trial with the lowest validation loss; None when all failed."""
    finished = [t for t in trials if t.loss is not None and math.isfinite(t.loss)]
    return min(finished, key=lambda t: t.loss or 0.0, default=None)


def tuned_recipe(recipe: Recipe, values: dict[str, Any]) -> Recipe:
    """The recipe with the winning values where the last stage reads them."""
    rank = {"rank": values["lora_rank"]} if "lora_rank" in values else {}
    change = {"learning_rate": values["learning_rate"]}
    if not recipe.train.stages:
        lora = recipe.train.lora.model_copy(update=rank)
        return recipe.model_copy(update={"train": recipe.train.model_copy(update={**change, "lora": lora})})
    last = recipe.train.resolved()[-1]
    tuned = last.model_copy(update={**change, "lora": last.lora.model_copy(update=rank)})
    stages = (*recipe.train.stages[:-1], tuned)
    return recipe.model_copy(update={"train": recipe.train.model_copy(update={"stages": stages})})

"""The learning rate as a pure function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from novelray.recipe.train import Hyper


def learning_rate(stage: Hyper, step: int, steps: int) -> float:
    """Rate for step `step` (from 0) of `steps`: linear warm-up, then the stage's schedule down to its floor."""
    warm = round(stage.warmup * steps)
    if step < warm:
        return stage.learning_rate * (step + 1) / warm
    done = (step - warm) / max(1, steps - 1 - warm)
    return stage.learning_rate * _shape(stage.schedule, stage.final_learning_rate, min(1.0, done))


def _shape(schedule: str, floor: float, done: float) -> float:
    if schedule == "cosine":
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "linear":
        return floor + (1 - floor) * (1 - done)
    return 1.0

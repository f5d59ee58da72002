"""The search for better hyper-parameters."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section

Rate = Annotated[float, Field(gt=0)]


class TuneSection(Section):
    """Ray Tune over the last training stage. Trials see the same rows in the same order."""

    trials: PositiveInt = 8
    """Combinations tried."""

    learning_rate: tuple[Rate, Rate] = (1e-5, 1e-3)
    """Lowest and highest learning rate, searched on a logarithmic scale."""

    lora_rank: tuple[PositiveInt, ...] = (8, 16, 32, 64)
    """LoRA ranks to choose from; ignored when the stage's method is `full`."""

    max_steps: PositiveInt = 200
    """Optimiser steps of a trial that is not stopped early."""

    grace_steps: PositiveInt = 50
    """Steps before ASHA may stop a trial."""

    reduction: Annotated[int, Field(ge=2)] = 2
    """ASHA keeps one trial in this many at each rung."""

    max_concurrent: PositiveInt | None = Field(None, json_schema_extra=NOT_IDENTITY)
    """Trials at the same time. Default: as many as the cluster has room for."""

"""How a run is watched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


class MlflowSection(Section):
    """An MLflow server or database that shows the run. Needs the extra `mlflow` on the workers' machines."""

    counts = False

    uri: str | None = None
    """`http://host:5000`, or `sqlite:////absolute/path.db` on one machine. Default: `MLFLOW_TRACKING_URI`. User and
    password are best given by MLflow's own environment variables."""

    experiment: str = "novelray"
    """Experiment that the run belongs to; made when it is not there."""


class WandbSection(Section):
    """Weights & Biases shows the run. Needs the extra `wandb` and, when online, `WANDB_API_KEY`."""

    counts = False

    project: str = "novelray"
    """Project that the run belongs to."""

    entity: str | None = None
    """User or team. Default: that of the key."""

    mode: Literal["online", "offline"] = "online"
    """`offline` writes files for `wandb sync` below the run's folder; below `storage.cache` where storage is remote."""


class TelemetrySection(Section):
    """The journal (JSON lines) is the record; trackers mirror it. One that fails or hangs never slows a run."""

    counts = False

    tensorboard: bool = True
    """Mirror the journal to TensorBoard event files."""

    mlflow: MlflowSection | None = None
    """Absent: no MLflow. `mlflow: {}` uses the defaults."""

    wandb: WandbSection | None = None
    """Absent: no W&B. `wandb: {}` uses the defaults."""

    log_every: PositiveInt = 1
    """Optimiser steps between two journal lines."""

    flush_s: Annotated[float, Field(gt=0)] = 2.0
    """Longest time, in seconds, that journal lines and progress wait before they are written to storage."""

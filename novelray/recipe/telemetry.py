"""How a run is watched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


class TelemetrySection(Section):
    """The journal (JSON lines) is the record; trackers mirror it."""

    counts = False

    tensorboard: bool = True
    """Mirror the journal to TensorBoard event files."""

    log_every: PositiveInt = 1
    """Optimiser steps between two journal lines."""

    flush_s: Annotated[float, Field(gt=0)] = 2.0
    """Longest time, in seconds, that journal lines and progress wait before they are written to storage."""

"""How a run is watched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section


class TelemetrySection(Section):
    """The journal (JSON lines) is the record; trackers mirror it."""

    tensorboard: bool = Field(True, json_schema_extra=NOT_IDENTITY)
    """Mirror the journal to TensorBoard event files."""

    log_every: PositiveInt = Field(1, json_schema_extra=NOT_IDENTITY)
    """Optimiser steps between two journal lines."""

    flush_s: Annotated[float, Field(gt=0)] = Field(2.0, json_schema_extra=NOT_IDENTITY)
    """Longest time, in seconds, that journal lines and progress wait before they are written to storage."""

"""When each optimiser step of a transformers Trainer was done."""

from __future__ import annotations

import time
from typing import Any

from transformers import TrainerCallback


class Clock(TrainerCallback):
    """Notes the time at the beginning and the end of each step."""

    def __init__(self) -> None:
        self._began: list[float] = []
        self._ended: list[float] = []

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        self._began.append(time.time())

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._ended.append(time.time())

    def found(self) -> dict[str, Any]:
        """The seconds of each step, and when the first was done."""
        seconds = [end - began for began, end in zip(self._began, self._ended, strict=True)]
        return {"steps": seconds, "first": self._ended[0]}

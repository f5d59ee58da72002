"""A run in Weights & Biases: its settings as configuration, its figures by step, under our run's id, which resuming
continues. Only figures are sent: no code, no console output, nothing about the git repository."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from novelray.telemetry.trackers import Event, figures_of

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it would tell its makers about its errors
CONNECT_S = 10


class Wandb:
    """See telemetry/tracking.py. `setting`: project, entity, mode, run, name, folder."""

    def __init__(self, setting: dict[str, Any]) -> None:
        self._setting = setting
        self._run: Any = None

    def send(self, events: Sequence[Event]) -> None:
        """Log the events; W&B's own process sends them on."""
        if self._run is None:
            self._run = self._opened()
        for event in events:
            if "settings" in event:
                self._run.config.update(event["settings"], allow_val_change=True)
            figures = figures_of(event)
            if figures:  # steps that a resumed run does again are known already, and are left out by W&B
                self._run.log(figures, step=event["step"])

    def close(self, end: str) -> None:
        """Say how the run ended and wait until all is sent."""
        if self._run is not None:
            self._run.finish(exit_code=0 if end == "done" else 1)

    def _opened(self) -> Any:
        import wandb

        Path(self._setting["folder"]).mkdir(parents=True, exist_ok=True)
        quiet = wandb.Settings(
            silent=True, console="off", disable_git=True, disable_code=True, save_code=False, init_timeout=CONNECT_S
        )
        return wandb.init(
            project=self._setting["project"], entity=self._setting["entity"], mode=self._setting["mode"],
            id=self._setting["run"], name=self._setting["name"], dir=self._setting["folder"], resume="allow",
            settings=quiet,
        )  # fmt: skip

"""Mirrors of the journal. A tracker that fails is left alone after one warning; it never stops a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


def tensorboard(folder: Path) -> Callable[[dict[str, Any]], None]:
    """A function that writes each event's numbers as TensorBoard scalars named `<kind>/<value>`, by step."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder), flush_secs=10)
    broken = False

    def mirror(event: dict[str, Any]) -> None:
        nonlocal broken
        if broken or "step" not in event:
            return
        try:
            for name, value in event.items():
                if isinstance(value, int | float) and name not in ("time", "step"):
                    writer.add_scalar(f"{event['kind']}/{name}", value, event["step"], walltime=event["time"])
        except OSError as error:
            broken = True
            log.warning("TensorBoard files can no longer be written (%s); the journal goes on.", error)

    return mirror

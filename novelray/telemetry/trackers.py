"""Mirrors of the journal: TensorBoard files, MLflow, W&B. What they miss is in the journal, which is the record."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from novelray.errors import RecipeError, missing_package
from novelray.recipe.telemetry import MlflowSection, TelemetrySection, WandbSection

Event = dict[str, Any]
NOT_FIGURES = frozenset({"time", "step"})


class Mirror(Protocol):
    """Is told each event of the journal as it is written."""

    def __call__(self, event: Event) -> None:
        """Take an event and return at once."""

    def end(self) -> None:
        """No more events will come."""

    def wait(self, deadline: float) -> None:
        """Wait until all is delivered, at most until `deadline` (time.monotonic())."""


@dataclass(frozen=True)
class Identity:
    """The run as trackers know it. `run` is the same for every attempt, so that a resumed run goes on where it was."""

    run: str
    name: str
    folder: str
    """Local folder for what a tracker writes."""


def check_trackers(section: TelemetrySection) -> None:
    """Raise a NovelRayError when a tracker is asked for that cannot work here."""
    for name in ("mlflow", "wandb"):
        if getattr(section, name) is not None and find_spec(name) is None:
            raise missing_package(name, name)
    if section.mlflow is not None:
        _check_uri(_uri(section.mlflow))


def _check_uri(uri: str | None) -> None:
    if not uri:
        raise RecipeError(
            "telemetry.mlflow has no uri, and MLFLOW_TRACKING_URI is not set.",
            "Set telemetry.mlflow.uri, for example to http://localhost:5000.",
        )
    kind, _, rest = uri.partition(":///")
    if kind.startswith("sqlite") and not rest.startswith("/"):
        raise RecipeError(
            f"telemetry.mlflow.uri is {uri!r}, a relative path, and workers have folders of their own.",
            "Give the absolute path, with four slashes: sqlite:////home/me/mlflow.db",
        )


def mirrors_of(
    section: TelemetrySection, identity: Identity, here: Path | None, warn: Callable[[str], None]
) -> Iterator[Mirror]:
    """The mirrors that a recipe asks for. `here`: the run's folder, if storage is local; `warn` tells the journal."""
    from novelray.telemetry.mirror import ProcessMirror

    if section.tensorboard and here is not None:
        yield TensorBoard(here / "tensorboard", warn)
    if section.mlflow is not None:
        yield ProcessMirror("MLflow", _setting("mlflow", section.mlflow, identity, uri=_uri(section.mlflow)), warn)
    if section.wandb is not None:
        yield ProcessMirror("W&B", _setting("wandb", section.wandb, identity), warn)


def _setting(kind: str, section: MlflowSection | WandbSection, identity: Identity, **more: Any) -> dict[str, Any]:
    return {"kind": kind, **section.model_dump(), **asdict(identity), **more}


def _uri(section: MlflowSection) -> str | None:
    return section.uri or os.environ.get("MLFLOW_TRACKING_URI")


def figures_of(event: Event) -> dict[str, float]:
    """The numbers of an event that belongs to a step, named `<kind>/<value>`; tables within it give longer names."""
    return dict(_numbers(event["kind"], event)) if "step" in event else {}


def _numbers(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        key = f"{prefix}/{name.replace('/', '_')}"
        if isinstance(value, dict):
            yield from _numbers(key, value)
        elif isinstance(value, int | float) and not isinstance(value, bool) and name not in NOT_FIGURES:
            yield key, value


class TensorBoard:
    """Event files in a local folder."""

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), flush_secs=10)
        self._warn = warn

    def __call__(self, event: Event) -> None:
        self._try(lambda: [
            self._writer.add_scalar(name, value, event["step"], walltime=event["time"])
            for name, value in figures_of(event).items()
        ])  # fmt: skip

    def end(self) -> None:
        self._try(lambda: self._writer.close())

    def wait(self, deadline: float) -> None:
        """Nothing: the files are written."""

    def _try(self, work: Callable[[], object]) -> None:
        if self._writer is None:
            return
        try:
            work()
        except OSError as error:
            self._writer = None
            self._warn(f"TensorBoard files can no longer be written ({error}); the journal goes on.")

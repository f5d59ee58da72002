"""The runs in a storage, each summed up from its journal."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from novelray.storage import Store
from novelray.telemetry.journal import Event, read_journal
from novelray.telemetry.mirror import ENDS

LATELY = 20
"""Steps over which speed is taken: the median of the last ones."""
SILENT_S = 600.0
"""A run that has written nothing for so long, and has not ended, is taken to have stopped."""


@dataclass(frozen=True)
class Point:
    """A loss, in nats per token, after `step` steps over `tokens` trained tokens."""

    step: int
    tokens: int
    loss: float


@dataclass(frozen=True)
class Run:
    """One stage of training. What its journal does not say is None or "". Times are seconds since 1970."""

    id: str
    state: str
    """done, failed, cancelled, preempted, running, or stopped: without an end, and silent."""
    name: str = ""
    model: str = ""
    stage: str = ""
    method: str = ""
    step: int = 0
    steps: int | None = None
    loss: float | None = None
    best: Point | None = None
    """The lowest held-out loss."""
    tokens_per_s: float | None = None
    flops_per_s: float | None = None
    mfu: float | None = None
    memory_peak: int | None = None
    began: float | None = None
    time: float | None = None
    training: tuple[Point, ...] = ()
    heldout: tuple[Point, ...] = ()
    groups: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)
    """`by_genre` and `by_author` of the last validation that has them."""
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def perplexity(self) -> float | None:
        """That of the lowest held-out loss."""
        return None if self.best is None else math.exp(min(50.0, self.best.loss))


def all_runs(store: Store) -> list[Run]:
    """Every run that has a journal, the newest first."""
    found = [run for name in store.folders("runs") if (run := find_run(store, name)) is not None]
    return sorted(found, key=lambda run: -(run.time or 0))


def find_run(store: Store, run: str) -> Run | None:
    """One run by its id; None where there is no journal."""
    events = read_journal(store, f"runs/{run}")
    finished = store.exists(f"artifacts/{run}/manifest.json")
    return summed_up(run, events, finished, time.time()) if events else None


def summed_up(run: str, events: Sequence[Event], finished: bool, now: float) -> Run:
    """A run from the events of its journal. `finished`: its model is there."""
    starts = [e for e in events if e["kind"] == "start"]
    train = [e for e in events if e["kind"] == "train"]
    validations = [e for e in events if e["kind"] == "validation"]
    settings: dict[str, Any] = next((e["settings"] for e in reversed(starts) if "settings" in e), {})
    training, heldout = _points(train), _points(validations)
    stage = next((e["stage"] for e in events if "stage" in e), "")
    return Run(
        id=run, state=_state(events, finished, now), name=settings.get("name", ""),
        model=settings.get("model.base", ""), stage=stage, method=settings.get("train.method", ""),
        step=max((p.step for p in (*training, *heldout)), default=0), steps=_last(events, "steps"),
        loss=_last(train, "loss"), best=min(heldout, key=lambda p: p.loss, default=None),
        tokens_per_s=_lately(train, "tokens_per_s"), flops_per_s=_lately(train, "flops_per_s"),
        mfu=_lately(train, "mfu"),
        memory_peak=max((e["memory_peak"] for e in train if "memory_peak" in e), default=None),
        began=events[0]["time"], time=events[-1]["time"], training=training, heldout=heldout,
        groups={kind: v for kind in ("by_genre", "by_author") if (v := _last(validations, kind)) is not None},
        settings=settings,
    )  # fmt: skip


def _points(events: Sequence[Event]) -> tuple[Point, ...]:
    return tuple(Point(e["step"], e.get("tokens", 0), e["loss"]) for e in events)


def _state(events: Sequence[Event], finished: bool, now: float) -> str:
    if finished:
        return "done"
    mark = next((e["kind"] for e in reversed(events) if e["kind"] in (*ENDS, "start")), "start")
    if mark in ENDS:
        return str(mark)
    return "running" if now - events[-1]["time"] < SILENT_S else "stopped"


def _last(events: Sequence[Event], name: str) -> Any:
    return next((e[name] for e in reversed(events) if name in e), None)


def _lately(events: Sequence[Event], name: str) -> float | None:
    values = [e[name] for e in events if name in e][-LATELY:]
    return statistics.median(values) if values else None

"""What a person watches: a training run's bar with loss, speed and time left, and a counted bar for everything else.

A run's bar is drawn from its progress file, which a worker writes wherever it runs, so it looks the same for a cluster
far away. Without a terminal a line is printed now and then instead.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn

from novelray.errors import StorageError
from novelray.storage import Store

LOOK_S = 0.5
LINE_S = 15.0


@contextlib.contextmanager
def progress_bar(store: Store, run: str, stage: str) -> Iterator[None]:
    """While inside, show how far `run` is. Never fails: seeing is a courtesy."""
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        with _looking(store, run, _Lines(console, stage)):
            yield
        return
    columns = (
        SpinnerColumn(), TextColumn("[bold cyan]{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(stage, total=None, figures="starting workers")

        def show(event: dict[str, Any]) -> None:
            progress.update(task, total=event["steps"], completed=event["step"], figures=figures(event))

        with _looking(store, run, show):
            yield


def figures(event: dict[str, Any]) -> str:
    """Loss, validation loss, tokens per second and time left of a progress event, for a person."""
    parts = [f"loss {event['loss']:.3f}"] if "loss" in event else []
    if "validation_loss" in event:
        parts.append(f"held-out {event['validation_loss']:.3f}")
    if "tokens_per_s" in event:
        parts += [f"{event['tokens_per_s']:,.0f} tokens/s", f"{_clock(event['eta_s'])} left"]
    return " · ".join(parts)


class _Lines:
    """Prints a line at the first news and then every `LINE_S` seconds."""

    def __init__(self, console: Console, stage: str) -> None:
        self._console, self._stage, self._last = console, stage, 0.0

    def __call__(self, event: dict[str, Any]) -> None:
        if time.monotonic() - self._last >= LINE_S:
            self._last = time.monotonic()
            self._console.print(
                f"{self._stage}: step {event['step']} of {event['steps']} · {figures(event)}", highlight=False
            )


@contextlib.contextmanager
def _looking(store: Store, run: str, show: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    done = threading.Event()
    began = time.time()

    def look() -> None:
        seen = 0.0
        while not done.wait(LOOK_S if store.is_local else 4 * LOOK_S):
            with contextlib.suppress(StorageError, FileNotFoundError, ValueError, KeyError):
                event = json.loads(store.read(f"{run}/progress.json"))
                if event["time"] > max(seen, began) and "step" in event:
                    seen = event["time"]
                    show(event)

    thread = threading.Thread(target=look, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(timeout=5)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@contextlib.contextmanager
def counting_bar(what: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """A bar over `total` things of a kind; the function it gives is told how many more are done.

    Without a terminal a line is printed every `LINE_S` seconds, and none for what is done sooner.
    """
    console = Console(soft_wrap=True)
    if not console.is_terminal:
        lines = _CountedLines(console, what, total, unit)
        yield lines
        return
    columns = (
        SpinnerColumn(), TextColumn("[bold cyan]{task.description}"), BarColumn(), MofNCompleteColumn(),
        TextColumn(unit), TimeRemainingColumn(compact=True),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda count: progress.update(task, advance=count)


class _CountedLines:
    def __init__(self, console: Console, what: str, total: int, unit: str) -> None:
        self._console, self._what, self._total, self._unit = console, what, total, unit
        self._done, self._last = 0, time.monotonic()

    def __call__(self, count: int) -> None:
        self._done += count
        if time.monotonic() - self._last >= LINE_S:
            self._last = time.monotonic()
            line = f"{self._what}: {self._done:,} of {self._total:,} {self._unit}"
            self._console.print(line, highlight=False)

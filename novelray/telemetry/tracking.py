"""The process that mirrors a run's journal to one tracker: `python -m novelray.telemetry.tracking`; see mirror.py.

Reads JSON lines from its input, first the tracker's setting, then events, and ends with the input. A tracker that
fails is tried again with what it has not got; the first failure is one line on the output.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from novelray.telemetry.mirror import ENDS, WAITING

Event = dict[str, Any]
RETRY_S = 10.0
TOGETHER_S = 1.0
"""Events of so long are sent together."""
LINGER_S = 60.0
"""Longest life after the input's end. The run waits less long, and then ends the process; this is for a killed run."""


class Tracker(Protocol):
    """A service's client. Both methods may raise anything, and may hang."""

    def send(self, events: Sequence[Event]) -> None:
        """Deliver, connecting first where that has not been done. What it raises for may be sent again."""

    def close(self, end: str) -> None:
        """Deliver what is under way and close the run, which ended as `end` (one of ENDS) says."""


def main() -> None:
    """Mirror until the input ends, then deliver the rest."""
    say = _own_output()
    setting = json.loads(sys.stdin.readline() or "null")
    if setting is None:
        return
    sender = Sender(lambda: tracker_of(setting), say)
    for line in sys.stdin:
        sender.add(json.loads(line))
    sender.end(LINGER_S)
    os._exit(0)  # not by way of what libraries have registered for the exit: it may wait for a server


def tracker_of(setting: dict[str, Any]) -> Tracker:
    """The client that a setting asks for; imports its library."""
    if setting["kind"] == "mlflow":
        from novelray.telemetry.to_mlflow import Mlflow

        return Mlflow(setting["uri"], setting["experiment"], setting["run"], setting["name"])
    from novelray.telemetry.to_wandb import Wandb

    return Wandb(setting)


class Sender:
    """Sends events from a thread of its own; what cannot be sent waits, the newest `WAITING` of it."""

    def __init__(self, make: Callable[[], Tracker], say: Callable[[str], None], retry_s: float = RETRY_S) -> None:
        self._make, self._say, self._retry_s, self._failed = make, say, retry_s, False
        self._queue: deque[Event] = deque(maxlen=WAITING)
        self._pending: deque[Event] = deque(maxlen=WAITING)
        self._ended = threading.Event()
        self._tracker: Tracker | None = None
        self._end = "failed"  # what a run is that stops without a word
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)
        self._thread.start()

    def add(self, event: Event) -> None:
        """Queue an event."""
        self._queue.append(event)
        if event["kind"] in ENDS:
            self._end = event["kind"]

    def end(self, seconds: float) -> None:
        """Deliver the rest; give up after so long."""
        self._ended.set()
        self._thread.join(timeout=seconds)

    def _run(self) -> None:
        while True:
            last = self._ended.is_set()
            good = self._try(self._deliver)
            if last:
                break
            self._ended.wait(TOGETHER_S if good else self._retry_s)
        if self._tracker is not None and good:
            self._try(partial(self._tracker.close, self._end))

    def _deliver(self) -> None:
        while self._queue:
            self._pending.append(self._queue.popleft())
        if self._pending:
            self._tracker = self._tracker or self._make()
            self._tracker.send(list(self._pending))
            self._pending.clear()

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # whatever a library, or the server behind it, comes up with
            if not self._failed:
                self._failed = True
                self._say(told(error))
            return False
        return True


def told(error: Exception) -> str:
    """An error in one line, without passwords in addresses."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
    return re.sub(r"//[^/@\s]+@", "//", f"{type(error).__name__}: {lines[0]}")[:400]


def _own_output() -> Callable[[str], None]:
    """A function that writes a line to the output, which is taken from all others: libraries print as they like."""
    output = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return lambda line: print(line, file=output, flush=True)


if __name__ == "__main__":
    main()

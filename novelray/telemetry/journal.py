"""The journal: what a run did, one JSON object per line. It is the record; trackers only mirror it.

Object stores cannot append, so each attempt of a run writes files of its own, the newest whole at each flush, from a
thread that the training step never waits for; a new file is begun after so many lines, since a long run has a million.
A reader joins the attempts: where two have the same step, the later attempt counts.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from novelray.errors import NovelRayError
from novelray.storage import Store
from novelray.telemetry.mirror import GRACE_S
from novelray.telemetry.trackers import Mirror

Event = dict[str, Any]
LINES_PER_FILE = 2000


class Journal:
    """Writes `<folder>/journal/<attempt>-<number>.jsonl` and, the newest value of everything, `<folder>/progress.json`.

    A failing tracker or storage never stops a run: the lines stay in memory and are written with the next flush.
    """

    def __init__(self, store: Store, folder: str, attempt: str, every_s: float) -> None:
        self._store, self._every_s = store, every_s
        self._mirrors: list[Mirror] = []
        self._lock = threading.Lock()  # mirrors warn from threads of their own
        self._files = f"{folder}/journal/{attempt}"
        self._number = 0
        self._progress = f"{folder}/progress.json"
        self._lines: list[str] = []
        self._latest: Event | None = None
        self._written = 0
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def log(self, kind: str, **values: Any) -> None:
        """Add a line. Values must be JSON (numbers, strings, lists)."""
        event: Event = {"time": round(time.time(), 3), "kind": kind, **values}
        with self._lock:
            self._lines.append(json.dumps(event, ensure_ascii=False))
            if kind == "validation":  # beside the training loss in the progress file, not over it
                self._latest = {**(self._latest or {}), "time": event["time"], "validation_loss": event["loss"]}
            else:
                self._latest = {**(self._latest or {}), **{k: v for k, v in event.items() if not isinstance(v, dict)}}
        for mirror in self._mirrors:
            mirror(event)

    def mirror(self, mirrors: Iterable[Mirror]) -> None:
        """Let them hear of every event from now on."""
        self._mirrors += mirrors

    def close(self) -> None:
        """Write what is left. Mirrors have `GRACE_S` together to take the rest."""
        for mirror in self._mirrors:
            mirror.end()
        deadline = time.monotonic() + GRACE_S
        for mirror in self._mirrors:
            mirror.wait(deadline)
        self._closed = True
        self._wake.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(self._every_s)
            self._flush()
        self._flush()

    def _flush(self) -> None:
        count = len(self._lines)
        if count == self._written:
            return
        with contextlib.suppress(NovelRayError):  # tried again at the next flush
            path = f"{self._files}-{self._number:05d}.jsonl"
            self._store.write(path, "".join(f"{line}\n" for line in self._lines[:count]).encode())
            self._store.write(self._progress, json.dumps(self._latest, ensure_ascii=False).encode())
            self._written = count
            if count >= LINES_PER_FILE:
                del self._lines[:count]
                self._number, self._written = self._number + 1, 0


def read_journal(store: Store, folder: str) -> list[Event]:
    """All events of a run in order of time; a step that was done again is there once, from the later attempt."""
    events = sorted(_events(store, folder), key=lambda e: e["time"])
    last = {(e["kind"], e.get("stage"), e["step"]): i for i, e in enumerate(events) if "step" in e}
    return [e for i, e in enumerate(events) if "step" not in e or last[e["kind"], e.get("stage"), e["step"]] == i]


def _events(store: Store, folder: str) -> Iterator[Event]:
    for entry in store.files(f"{folder}/journal"):
        for line in store.read(entry.path).decode().splitlines():
            yield json.loads(line)

"""One at a time: a claim on a piece of work, in storage, because storage is what every machine reaches.

Whoever works says so every half minute. A claim that nobody has renewed for ten minutes is void, so that a machine that
is gone stops nobody; clocks may differ by less than that.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from novelray.errors import BusyError, StorageError
from novelray.storage.store import Store

BEAT_S, VOID_S, SETTLE_S = 30.0, 600.0, 1.0


@contextlib.contextmanager
def claimed(
    store: Store, path: str, what: str, beat_s: float = BEAT_S, void_s: float = VOID_S, settle_s: float = SETTLE_S
) -> Iterator[None]:
    """Hold the claim `path` while inside. Raises BusyError, with `what` in its message, when somebody else does."""
    mine = {"owner": uuid.uuid4().hex, "host": socket.gethostname(), "process": os.getpid(), "since": time.time()}
    _take(store, path, what, mine, void_s, settle_s)
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(store, path, mine, beat_s, stop), name=f"claim-{path}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with contextlib.suppress(StorageError):  # a claim left behind voids itself
            if _is_mine(store, path, mine):
                store.delete(path)


def _take(store: Store, path: str, what: str, mine: dict[str, Any], void_s: float, settle_s: float) -> None:
    found = _read(store, path)
    if found is not None:
        if time.time() - found["beat"] < void_s:
            raise _busy(store, path, what, found, void_s)
        store.delete(path)
    store.create(path, _record(mine))
    if found is not None or not store.is_local:
        time.sleep(settle_s)  # another may have taken it in the same moment: the last one to write has it
    if not _is_mine(store, path, mine):
        raise _busy(store, path, what, _read(store, path) or mine, void_s)


def _beat(store: Store, path: str, mine: dict[str, Any], beat_s: float, stop: threading.Event) -> None:
    while not stop.wait(beat_s):
        with contextlib.suppress(StorageError):  # the next one may go through
            if not _is_mine(store, path, mine):
                return
            store.write(path, _record(mine))


def _record(mine: dict[str, Any]) -> bytes:
    return json.dumps({**mine, "beat": time.time()}).encode()


def _read(store: Store, path: str) -> dict[str, Any] | None:
    """The claim; None where there is none, or one that nobody can have written whole."""
    try:
        found: dict[str, Any] = json.loads(store.read(path))
        return found if {"owner", "host", "process", "since", "beat"} <= found.keys() else None
    except (FileNotFoundError, ValueError, AttributeError):
        return None


def _is_mine(store: Store, path: str, mine: dict[str, Any]) -> bool:
    found = _read(store, path)
    return found is not None and found["owner"] == mine["owner"]


def _busy(store: Store, path: str, what: str, found: dict[str, Any], void_s: float) -> BusyError:
    since = datetime.fromtimestamp(found["since"], UTC).isoformat(sep=" ", timespec="seconds")
    return BusyError(
        f"{what} is running since {since} (process {found['process']} on {found['host']}).",
        f"Nothing was begun. If that machine is gone, {store.uri}/{path} is void {void_s / 60:.0f} minutes after its "
        "last sign of life.",
    )

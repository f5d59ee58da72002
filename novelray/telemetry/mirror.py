"""A tracker in a process of its own, so that nothing it does can slow or stop a run: not its imports, not a server that
hangs, not what its library does at exit.

Events go to the process as JSON lines through a queue that forgets the oldest when it is full; the process says what
goes wrong, once. See telemetry/tracking.py for what it runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

WAITING = 10_000
"""Events that wait for a tracker that does not take them."""
ENDS = ("done", "failed", "cancelled", "preempted")
"""Kinds of events that end an attempt at a run."""
GRACE_S = 5.0
"""Longest wait for trackers at the end of a run."""


class ProcessMirror:
    """Mirrors the journal to the tracker that `setting` describes (`tracking.py`). `name` is for people."""

    def __init__(self, name: str, setting: dict[str, Any], warn: Callable[[str], None]) -> None:
        self._name, self._warn, self._warned = name, warn, False
        self._setting = json.dumps(setting)  # may hold a password: not for the command line, which all can read
        self._waiting: deque[str] = deque(maxlen=WAITING)
        self._more, self._ended = threading.Event(), False
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = _started()
        except OSError as error:
            self._tell(f"no process could be started ({error})")
            return
        self._listener = self._thread(self._listen)
        self._thread(self._feed)

    def __call__(self, event: dict[str, Any]) -> None:
        """Queue an event."""
        self._waiting.append(json.dumps(event))
        self._more.set()

    def end(self) -> None:
        """Let the process finish what it has."""
        self._ended = True
        self._more.set()

    def wait(self, deadline: float) -> None:
        """Wait for the process until `deadline` (time.monotonic()), then stop it and say so."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._tell("it did not take the last entries in time")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # with what the tracker's library has started
            self._process.wait()
        self._listener.join(timeout=1)

    def _feed(self) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: said by _listen, or it was asked to
            self._process.stdin.write(f"{self._setting}\n".encode())
            while not self._ended or self._waiting:
                self._more.wait()
                self._more.clear()
                while self._waiting:
                    self._process.stdin.write(f"{self._waiting.popleft()}\n".encode())
                self._process.stdin.flush()
            self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tell(line.decode(errors="replace").strip())
        if not self._ended:
            self._tell("its process has ended")

    def _tell(self, what: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{self._name} does not mirror the run: {what}. The run and its journal go on.")

    def _thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, name=f"mirror-{self._name}", daemon=True)
        thread.start()
        return thread


def _started() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.Popen(
        [sys.executable, "-m", "novelray.telemetry.tracking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, start_new_session=True, env=environment,
    )  # fmt: skip

"""Asking something that runs to commit and stop: a marker file in storage, because storage is what every side reaches.

    runs/<run id>/cancel      asks a training run; its loop looks at every step or few
    jobs/<job id>/cancel      asks a submitted job; `forwarding` passes it on to the run that the job is in

The process of a submitted job knows its own id from `NOVELRAY_JOB`.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from novelray.errors import StorageError
from novelray.storage import Store

JOB_VARIABLE = "NOVELRAY_JOB"
POLL_S = 2.0

_forwarders = 0


def request_cancel(store: Store, key: str) -> None:
    """Ask `key` (`runs/<id>` or `jobs/<id>`) to commit and stop. Asking twice is the same as asking once."""
    if not cancel_requested(store, key):
        store.write(f"{key}/cancel", json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds")}).encode())


def cancel_requested(store: Store, key: str) -> bool:
    """Whether somebody asked `key` to stop. One look at the storage."""
    return store.exists(f"{key}/cancel")


def withdraw_cancel(store: Store, key: str) -> None:
    """Take a request back, so that the same run can be started again."""
    store.delete(f"{key}/cancel")


def job_key() -> str | None:
    """`jobs/<id>` when this process is a submitted job, else None."""
    job = os.environ.get(JOB_VARIABLE)
    return f"jobs/{job}" if job else None


def begin_job(store: Store, job: str) -> None:
    """Leave a trace that the job has begun, so that a client can tell whether it sees the same storage."""
    store.write(f"{job}/job.json", json.dumps({"begun": datetime.now(UTC).isoformat(timespec="seconds")}).encode())


def has_begun(store: Store, job: str) -> bool:
    """Whether the job's trace is seen in this storage."""
    return store.exists(f"{job}/job.json")


def job_run(store: Store, job: str) -> str | None:
    """The run (`runs/<id>`) that a job (`jobs/<id>`) is in or was in last; None before the first."""
    try:
        return str(json.loads(store.read(f"{job}/run.json"))["run"])
    except (FileNotFoundError, ValueError, KeyError):
        return None


@contextlib.contextmanager
def forwarding(store: Store, run: str, poll_s: float = POLL_S) -> Iterator[None]:
    """While inside, a request to cancel this job becomes one to cancel `run`; the run commits and ends by itself.

    A request that an earlier attempt at the same run left behind is withdrawn first. Outside of a submitted job there
    is nothing to forward.
    """
    global _forwarders
    withdraw_cancel(store, run)
    job = job_key()
    if job is None:
        yield
        return
    store.write(f"{job}/run.json", json.dumps({"run": run}).encode())
    _forwarders += 1
    try:
        with watching(store, job, lambda: request_cancel(store, run), poll_s):
            yield
    finally:
        _forwarders -= 1


def is_forwarding() -> bool:
    """Whether a run of this process takes care of requests to cancel."""
    return _forwarders > 0


@contextlib.contextmanager
def watching(store: Store, key: str, then: Callable[[], None], poll_s: float = POLL_S) -> Iterator[None]:
    """While inside, a thread looks at `key` every `poll_s` seconds and calls `then` once when it is asked to stop."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            with contextlib.suppress(StorageError):  # storage that hiccups must not end a run; the next look may work
                if cancel_requested(store, key):
                    then()
                    return
            stop.wait(poll_s)

    thread = threading.Thread(target=watch, name=f"cancel-{key}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=poll_s)

"""Cancelling a job without losing its work: ask first, wait, and use force only when told to.

Ray's own way to stop a job kills it after three seconds, in the middle of a step or a write. So a marker in the
recipe's storage asks the job to commit and end by itself. Where that storage cannot be seen from here, a tiny job on
the cluster (`jobs/cancel.py`) leaves the marker there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from novelray.errors import ClusterError, NovelRayError, StorageError
from novelray.fleet.progress import state_of, store_of
from novelray.storage import Store
from novelray.telemetry.control import has_begun, request_cancel

if TYPE_CHECKING:
    from novelray.onray.jobs import Job, Jobs

LOOK_S = 1.0
DEFAULT_WAIT_S = 600.0


def cancel(jobs: Jobs, job: Job, wait_s: float, force: bool, say: Callable[[str], None]) -> Job:
    """Ask the job to stop and wait for it up to `wait_s` seconds; then, with `force`, have Ray kill it.

    Raises ClusterError when it still runs after that time and `force` is not set.
    """
    if job.is_over:
        say(f"cancel: {job.id} is over already: {state_of(job)}")
        return job
    try:
        _ask(jobs, job)
        say(f"cancel: asked {job.id} to commit and stop; waiting up to {wait_s:.0f} s")
        found = _wait(jobs, job, wait_s)
    except NovelRayError:
        if not force:
            raise
        say("cancel: it cannot be asked")
        found = job
    if found.is_over:
        say(f"cancel: {job.id} has stopped: {state_of(found)}")
        return found
    return _kill(jobs, found, wait_s, force, say)


def carry_out(request: Path) -> None:
    """On the cluster: leave the marker that `request` (written by `_ask_there`) describes."""
    wanted = json.loads(request.read_text("utf-8"))
    request_cancel(Store(wanted["storage"], wanted["endpoint"]), wanted["key"])


def _ask(jobs: Jobs, job: Job) -> None:
    """Leave the marker from here when the job's own trace is seen in its storage from here; else from the cluster."""
    store, key = store_of(job), f"jobs/{job.id}"
    if store is None:
        raise ClusterError(
            f"{job.id} was not submitted by novelray: it has no storage to leave a request in.",
            "Use --force, which has Ray kill it.",
        )
    try:
        if has_begun(store, key):
            request_cancel(store, key)
            return
    except StorageError:
        pass
    _ask_there(jobs, job, store, key)


def _ask_there(jobs: Jobs, job: Job, store: Store, key: str) -> None:
    from novelray.onray.jobs import JobExistsError

    request = {"storage": store.uri, "endpoint": store.endpoint, "key": key}
    with tempfile.TemporaryDirectory(prefix="novelray-") as folder:
        (Path(folder) / "request.json").write_text(json.dumps(request), "utf-8")
        try:
            jobs.submit(f"cancel-{job.id}", "python -m jobs.cancel request.json", Path(folder), {}, {"stage": "cancel"})
        except JobExistsError:
            return  # asked before


def _kill(jobs: Jobs, job: Job, wait_s: float, force: bool, say: Callable[[str], None]) -> Job:
    if not force:
        raise ClusterError(
            f"{job.id} has not stopped within {wait_s:.0f} s.",
            "It was asked and will; wait longer, or use --force, which loses the work since the last commit.",
        )
    jobs.stop(job.id)
    found = _wait(jobs, job, 30)
    say(f"cancel: {job.id} was stopped by force: {state_of(found)}")
    return found


def _wait(jobs: Jobs, job: Job, wait_s: float) -> Job:
    """The job as it is when it has ended, or when the time is up."""
    end = time.monotonic() + wait_s
    while True:
        found = jobs.find(job.id) or job
        if found.is_over or time.monotonic() >= end:
            return found
        time.sleep(min(LOOK_S, max(0.0, end - time.monotonic())))

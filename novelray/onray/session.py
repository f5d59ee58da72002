"""The Ray session that a command runs in: the cluster it is told of, or one started on this machine."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import ray

from novelray.errors import ClusterError

log = logging.getLogger(__name__)
LOCAL_ENVIRONMENT = {
    # Keep worker processes warm between small tasks: a new one costs seconds of imports.
    "RAY_num_workers_soft_limit": "16",
    "RAY_kill_idle_workers_interval_ms": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # A large-allocation threshold keeps glibc from giving activations back to the kernel at every step.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
    # From Serve's proxy to a replica: less processor time for each piece of a stream, and no hand-over between event
    # loops on the way: nothing of ours blocks one.
    "RAY_SERVE_PROXY_USE_GRPC": "1",
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "novelray.onray.proxy.middlewares",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}
"""Environment that every worker of a local cluster inherits; `cluster/local` sets the same on its nodes."""


THIS_MACHINE = "auto"
"""Ray's word for the cluster that runs on this machine."""


def start(address: str | None = None, dashboard: bool = False, **options: Any) -> None:
    """Connect to `address` (default: `RAY_ADDRESS`, else a new local cluster). Does nothing when connected already.

    `dashboard`: a new local cluster gets one. It takes seconds, and only a sweep needs it: Ray Train asks it whether
    a stopped trial is gone before it frees what the trial held.

    Raises ClusterError when the address does not answer or refuses the token.
    """
    if ray.is_initialized():
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address is None:
        for name, value in LOCAL_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        options = {"include_dashboard": dashboard, "object_store_memory": 512 << 20, **options}
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False, **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        if address == THIS_MACHINE:
            raise ClusterError(
                "No cluster runs on this machine, and RAY_ADDRESS names no other.",
                "Set RAY_ADDRESS, or start one here: novelray serve, or ray start --head",
            ) from error
        where = address or "a local cluster"
        raise ClusterError(
            f"Could not start Ray on {where}: {str(error).splitlines()[0]}",
            "Is the cluster up, and is the token in ~/.ray/auth_token? Try: novelray doctor",
        ) from error
    _keep_notes_off_the_screen()
    _keep_token_private()


def connect() -> None:
    """Connect to the cluster that runs: that of `RAY_ADDRESS`, else this machine's. Raises ClusterError without one."""
    start(os.environ.get("RAY_ADDRESS") or THIS_MACHINE)


def _keep_token_private() -> None:
    """Ray writes its token with the umask's mode, and who can read it can run code on the cluster."""
    token = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    with suppress(OSError):  # another user's file, a read-only mount: the doctor tells about those
        if token.stat().st_mode & 0o077:
            token.chmod(0o600)


def _keep_notes_off_the_screen() -> None:
    """The raylet's notes (how many workers were started, and such) go to the log and not through a progress bar."""
    from ray._private import worker

    worker.print_to_stdstream = lambda data, **_: log.debug("raylet: %s", data)


def stop() -> None:
    """Leave the cluster; a local one ends."""
    ray.shutdown()


@contextmanager
def session(address: str | None = None, dashboard: bool = False) -> Iterator[None]:
    """`start`, and `stop` at the end when it was this call that started it."""
    mine = not ray.is_initialized()
    start(address, dashboard)
    try:
        yield
    finally:
        if mine:
            stop()

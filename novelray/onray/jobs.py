"""Ray Jobs over HTTP, as one small client: every call has a timeout, and every failure is one of our errors.

What Ray's own client does differently, and why this one overrides it: it waits for ever for an answer, `RAY_ADDRESS`
overrides the address it is given, and the token is that of the process, where we talk to several clusters.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
import requests
from ray.dashboard.modules.dashboard_sdk import SubmissionClient
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from novelray.errors import ClusterError

CONNECT_S, ANSWER_S, RECONNECT_S = 5.0, 30.0, 0.5
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")

for _chatty in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_chatty}").setLevel(logging.WARNING)  # they set INFO themselves, when imported


class UnreachableError(ClusterError):
    """The cluster did not answer. That says nothing about its jobs: they may well be running."""


class RefusedError(ClusterError):
    """The cluster does not accept the token."""


class JobExistsError(ClusterError):
    """A job with this submission id was submitted before."""


class _NoJobError(ClusterError):
    """There is no job with this id."""


@dataclass(frozen=True)
class Job:
    """One submitted job. `state` is Ray's: PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; times are Unix seconds."""

    id: str
    state: str
    message: str = ""
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in ENDED


class Jobs:
    """The jobs of one cluster. `address` is that of its dashboard (`http://host:8265`).

    Every method raises UnreachableError, RefusedError, or ClusterError with what the cluster answered.
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self.address = address
        with _translated(address):
            self._client = _Client(address, token)

    def submit(self, job: str, entrypoint: str, folder: Path, env: dict[str, str], metadata: dict[str, str]) -> None:
        """Start `entrypoint` with the small `folder` as its working directory. Raises JobExistsError.

        `env` and `metadata` can be read by everyone who has the cluster's token: no secrets.
        """
        with _translated(self.address):
            self._client.submit_job(
                entrypoint=entrypoint,
                submission_id=job,
                runtime_env={"working_dir": str(folder), "env_vars": env},
                metadata=metadata,
            )

    def find(self, job: str) -> Job | None:
        """The job with this submission id, or None."""
        try:
            with _translated(self.address):
                return _job(self._client.get_job_info(job))
        except _NoJobError:
            return None

    def all(self) -> list[Job]:
        """Every submitted job, the newest first."""
        with _translated(self.address):
            found = [_job(d) for d in self._client.list_jobs() if d.submission_id]
        return sorted(found, key=lambda j: j.started or 0, reverse=True)

    def logs(self, job: str) -> str:
        """All that the job has printed so far."""
        with _translated(self.address):
            return str(self._client.get_job_logs(job))

    def follow(self, job: str) -> Iterator[str]:
        """What the job prints, as it comes, until it ends. A connection that breaks is opened again where it broke."""
        seen = 0
        while True:
            start = seen
            try:
                for text in self._tail(job):
                    new = text[start:] if start else text
                    start = max(0, start - len(text))
                    seen += len(new)
                    if new:
                        yield new
            except UnreachableError:
                pass  # the next look decides: it raises when the cluster does not answer at all
            found = self.find(job)
            if found is None or found.is_over:
                return
            time.sleep(RECONNECT_S)

    def stop(self, job: str) -> None:
        """Have Ray end the job: SIGTERM, and SIGKILL three seconds later."""
        with _translated(self.address):
            self._client.stop_job(job)

    def _tail(self, job: str) -> Iterator[str]:
        """The log from its start over one connection, as a plain iterator."""
        loop = asyncio.new_event_loop()
        chunks = self._client.tail_job_logs(job)
        try:
            while True:
                with _translated(self.address):
                    try:
                        chunk = loop.run_until_complete(anext(chunks))
                    except StopAsyncIteration:
                        return
                yield chunk
        finally:
            loop.run_until_complete(chunks.aclose())  # type: ignore[attr-defined]
            loop.close()


class _Client(JobSubmissionClient):
    """Ray's client with a timeout, an address that is what it was told, and a token of its own."""

    def __init__(self, address: str, token: str | None) -> None:
        self._client_ray_version = ray.__version__
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        SubmissionClient.__init__(self, address, headers=headers)  # not JobSubmissionClient's: RAY_ADDRESS wins there
        self._check_connection_and_version()

    def _do_request(self, method: str, endpoint: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", (CONNECT_S, ANSWER_S))
        return super()._do_request(method, endpoint, **options)

    def _raise_error(self, r: requests.Response) -> None:
        text = r.text.strip().splitlines()[-1][:500] if r.text.strip() else f"status {r.status_code}"
        if "already exists" in r.text:
            raise JobExistsError(text)
        if r.status_code == 404:
            raise _NoJobError(text)
        raise ClusterError(f"The cluster at {self._address} answered {r.status_code}: {text}", "Try again in a moment.")


def _job(details: Any) -> Job:
    return Job(
        id=details.submission_id,
        state=details.status.value,
        message=details.message or "",
        exit_code=details.driver_exit_code,
        started=details.start_time / 1000 if details.start_time else None,
        ended=details.end_time / 1000 if details.end_time else None,
        metadata=details.metadata or {},
    )


@contextlib.contextmanager
def _translated(address: str) -> Iterator[None]:
    import aiohttp

    try:
        yield
    except AuthenticationError:
        raise RefusedError(
            f"The cluster at {address} refuses the token.",
            "Give the cluster's own token: token_path in ~/.novelray/clusters.yaml, or RAY_AUTH_TOKEN_PATH.",
        ) from None
    except (ConnectionError, requests.RequestException, aiohttp.ClientError, TimeoutError) as error:
        how = "did not answer in time" if isinstance(error, (requests.Timeout, TimeoutError)) else "cannot be reached"
        raise UnreachableError(
            f"The cluster at {address} {how}.",
            "Its jobs may be running all the same. Check the address and the network, then ask again.",
        ) from error
    except RuntimeError as error:
        if "WebSocket" in str(error):
            raise UnreachableError(f"The connection to {address} broke.", "Ask again.") from error
        raise ClusterError(f"The cluster at {address}: {str(error).splitlines()[0][:300]}", "Try again.") from error

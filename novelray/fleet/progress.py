"""How far a job is, from what its run writes into storage (`runs/<run id>/progress.json`)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novelray.errors import EXIT_CANCELLED, EXIT_GAVE_UP, EXIT_RETRY, EXIT_USER, NovelRayError
from novelray.storage import Store
from novelray.telemetry.control import job_run

if TYPE_CHECKING:
    from novelray.onray.jobs import Job

MEANINGS = {
    EXIT_USER: "the input was refused",
    EXIT_RETRY: "worth another try",
    EXIT_GAVE_UP: "gave up",
    EXIT_CANCELLED: "cancelled",
}


@dataclass(frozen=True)
class Progress:
    """Where a run is. `eta_s`: seconds left; `loss`: nats per token; `time`: Unix seconds of the last step."""

    stage: str
    step: int
    steps: int
    loss: float | None = None
    tokens_per_s: float | None = None
    eta_s: float | None = None
    time: float | None = None

    def line(self) -> str:
        parts = [f"{self.stage} step {self.step} of {self.steps}"]
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4f}")
        if self.tokens_per_s is not None:
            parts.append(f"{self.tokens_per_s:,.0f} tokens/s")
        if self.eta_s is not None:
            parts.append(f"{clock(self.eta_s)} left")
        return " · ".join(parts)


def store_of(job: Job) -> Store | None:
    """The storage of the recipe that the job was submitted with."""
    root = job.metadata.get("storage")
    return Store(root, job.metadata.get("storage_endpoint")) if root else None


def progress_of(job: Job) -> Progress | None:
    """Where the job's run is; None when it has none, or when its storage cannot be read from here."""
    store = store_of(job)
    if store is None:
        return None
    try:
        run = job_run(store, f"jobs/{job.id}")
        return _parse(json.loads(store.read(f"{run}/progress.json"))) if run else None
    except (NovelRayError, OSError, ValueError, KeyError, TypeError):
        return None  # progress is a courtesy: the job's state was told already


def _parse(data: dict[str, Any]) -> Progress:
    return Progress(**{name: data[name] for name in Progress.__dataclass_fields__ if name in data})


def state_of(job: Job) -> str:
    """The job's state in words; a failed one with what its exit code means."""
    if job.state == "FAILED" and job.exit_code in MEANINGS:
        return "cancelled" if job.exit_code == EXIT_CANCELLED else f"failed ({MEANINGS[job.exit_code]})"
    return job.state.lower()


def exit_code_of(job: Job) -> int:
    """What following a job to its end exits with: the job's own exit code where it has one."""
    if job.state == "SUCCEEDED":
        return 0
    if job.state == "STOPPED":
        return EXIT_CANCELLED
    return job.exit_code if job.exit_code in MEANINGS else EXIT_GAVE_UP


def clock(seconds: float) -> str:
    """3725 → `1:02:05`; 65 → `1:05`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

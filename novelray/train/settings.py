"""What a run was asked to do, for the journal, for trackers and for comparisons of runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from novelray.train.job import Job


def settings_of(job: Job) -> dict[str, Any]:
    """The recipe's settings that the stage runs with, under their names in the recipe; what is not set is left out."""
    nested = {
        "name": job.name,
        "seed": job.seed,
        "shards": {"context": job.context},
        "model": job.model.model_dump(mode="json"),
        "train": {"checkpoint_every": job.checkpoint_every, **job.stage.model_dump(mode="json")},
        "scaling": job.scaling.model_dump(mode="json"),
    }
    return dict(_flat("", nested))


def _flat(prefix: str, values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(f"{prefix}{name}.", value)
        elif value not in (None, "", []):
            yield f"{prefix}{name}", value

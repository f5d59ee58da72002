"""Runs that were begun and not finished, by recipe, so that a changed recipe does not silently begin another.

    recipes/<recipe>/unfinished/<run>.json    what the run is made from; removed when its model is there

A run's id is a digest of all that decides what it makes. A recipe with another learning rate is another run, which
starts from nothing: right, and rarely what somebody wants who has hours of training behind them and forgot what they
changed. So it is told and refused, until they say that a new run is meant.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from novelray.checkpoints.commit import commits
from novelray.errors import RecipeError
from novelray.recipe.changes import changes

if TYPE_CHECKING:
    from novelray.train.job import Job


@dataclass(frozen=True)
class Origin:
    """Where a run comes from, besides the recipe's name, which the job has. `identity`: what counts of the recipe.
    `earlier`: ids of the runs of its first stages.

    `restart`: begin a run of a changed recipe all the same.
    """

    identity: dict[str, Any]
    earlier: tuple[str, ...] = ()
    restart: bool = False


@dataclass(frozen=True)
class _Record:
    run: str
    stage: str
    runs: list[str]  # of the stages up to this one
    inputs: dict[str, str]
    identity: dict[str, Any]
    aside: bool = False  # somebody has begun another in its place


def begin(job: Job) -> None:
    """Note that a run begins or goes on.

    Raises RecipeError when it would begin while one of the same recipe with other values is unfinished, saying what
    changed. A run that has committed nothing is in nobody's way, nor is one that is finished.
    """
    if job.origin is None:
        return
    mine = _path(job, job.plan.id)
    if not job.artifacts.store.exists(mine):
        for record in list(_in_the_way(job)):
            if not job.origin.restart:
                raise _refusal(job, record)
            _write(job, _path(job, record.run), replace(record, aside=True))
    runs = [*job.origin.earlier, job.plan.id]
    record = _Record(job.plan.id, job.stage.name, runs, job.plan.inputs, job.origin.identity)
    _write(job, mine, record)


def finish(job: Job) -> None:
    """The run's model is there."""
    if job.origin is not None:
        job.artifacts.store.delete(_path(job, job.plan.id))


def _in_the_way(job: Job) -> Iterator[_Record]:
    """Unfinished runs, with commits, of this recipe as it was: of this stage, or of one that came after another."""
    assert job.origin is not None
    place = len(job.origin.earlier)
    for entry in job.artifacts.store.files(_folder(job)):
        record = _Record(**json.loads(job.artifacts.store.read(entry.path)))
        changed = len(record.runs) > place and record.runs[place] != job.plan.id
        if changed and not record.aside and _step(job, record) and job.artifacts.find(record.run) is None:
            yield record


def _step(job: Job, record: _Record) -> int:
    newest = next(commits(job.artifacts.store, f"runs/{record.run}"), None)
    return newest.step if newest else 0


def _refusal(job: Job, record: _Record) -> RecipeError:
    assert job.origin is not None
    lines = changes(record.identity, job.origin.identity) or [
        f"{role}: {record.inputs.get(role)} → {value} (the recipe is the same; what it reads has changed)"
        for role, value in job.plan.inputs.items()
        if record.inputs.get(role) != value
    ]
    return RecipeError(
        f"Recipe {job.name!r} has an unfinished run of stage {record.stage!r}, committed up to step "
        f"{_step(job, record)}, and has changed since:\n" + "\n".join(f"  - {line}" for line in lines),
        "Put the old values back to go on with that run, or begin a new one from the start with --fresh "
        "(train.on_change: restart in the recipe). The unfinished run is kept either way.",
    )


def _write(job: Job, path: str, record: _Record) -> None:
    job.artifacts.store.write(path, json.dumps(asdict(record), ensure_ascii=False, indent=2).encode())


def _folder(job: Job) -> str:
    return f"recipes/{job.name}/unfinished"


def _path(job: Job, run: str) -> str:
    return f"{_folder(job)}/{run}.json"

"""Submitting a stage of a recipe as a job, once: the same recipe and stage have the same submission id.

An answer that gets lost on the way looks like a job that was never submitted. With an id that follows from the work,
the second submit finds the first job and adopts it. Only a job that failed or was stopped is submitted anew, under the
next attempt's name (`-r2`, `-r3`, ...).
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from novelray.errors import ClusterError, RecipeError
from novelray.fleet.clusters import Cluster
from novelray.fleet.stages import STAGES
from novelray.recipe import Recipe, dump_recipe, load_recipe
from novelray.telemetry.control import JOB_VARIABLE

if TYPE_CHECKING:
    from novelray.onray.jobs import Job, Jobs

TRIES = 5
_ATTEMPT = re.compile(r"-r(\d+)$")


@dataclass(frozen=True)
class Submission:
    """What `submit` came to: the job's id, and whether it is a new one or one that was there."""

    id: str
    outcome: Literal["submitted", "adopted"]
    state: str


def connect(cluster: Cluster) -> Jobs:
    """The jobs of a cluster. Raises UnreachableError or RefusedError (both ClusterError)."""
    from novelray.onray.jobs import Jobs

    return Jobs(cluster.address, cluster.token())


def submission_id(recipe: Recipe, stage: str) -> str:
    """`novelray-<stage>-<16 hex of SHA-256>` of the resolved recipe and the stage."""
    digest = hashlib.sha256(f"{stage}\n{dump_recipe(recipe)}".encode()).hexdigest()
    return f"novelray-{stage}-{digest[:16]}"


def attempt_id(first: str, attempt: int) -> str:
    """The name of the n-th attempt; the first has no suffix."""
    return first if attempt == 1 else f"{first}-r{attempt}"


def submit(recipe_path: Path, overrides: Sequence[str], stage: str, jobs: Jobs, again: bool = False) -> Submission:
    """Submit `stage` of the recipe, or adopt the job that does this work already; `again`: not one that is done.

    Raises RecipeError for a stage that does not exist or a recipe with a password in it, and ClusterError.
    """
    if stage not in STAGES:
        raise RecipeError(f"There is no stage {stage!r}.", f"Choose one of: {', '.join(STAGES)}.")
    recipe = load_recipe(recipe_path, overrides)
    _refuse_secrets(recipe)
    first = submission_id(recipe, stage)
    for _ in range(TRIES):
        newest, attempt = newest_attempt(jobs, first)
        if newest is not None and not _is_due(newest, again):
            return Submission(newest.id, "adopted", newest.state)
        if _send(jobs, recipe, stage, attempt_id(first, attempt + 1)):
            return Submission(attempt_id(first, attempt + 1), "submitted", "PENDING")
    raise ClusterError(f"Job {first} changes faster than it can be submitted.", "Somebody else submits it too; wait.")


def _is_due(newest: Job, again: bool) -> bool:
    """Whether the work has to be submitted once more after this attempt at it."""
    return newest.state in ("FAILED", "STOPPED") or (again and newest.is_over)


def newest_attempt(jobs: Jobs, first: str) -> tuple[Job | None, int]:
    """The newest job among `first`, `first-r2`, ... and its number; (None, 0) when there is none."""
    newest, number = None, 0
    for attempt in range(1, 1000):
        found = jobs.find(attempt_id(first, attempt))
        if found is None:
            break
        newest, number = found, attempt
    return newest, number


def _send(jobs: Jobs, recipe: Recipe, stage: str, job: str) -> bool:
    """Submit under this id. False when somebody was faster, or our own first try went through after all."""
    from novelray.onray.jobs import JobExistsError, UnreachableError

    metadata = {"stage": stage, "recipe": recipe.name, "storage": recipe.storage.root}
    if recipe.storage.endpoint:
        metadata["storage_endpoint"] = recipe.storage.endpoint
    with tempfile.TemporaryDirectory(prefix="novelray-") as folder:
        (Path(folder) / "recipe.yaml").write_text(dump_recipe(recipe), "utf-8")
        try:
            # The entrypoint goes through a shell: nothing in it comes from the user. The recipe travels as a file.
            jobs.submit(job, f"python -m jobs.{stage} recipe.yaml", Path(folder), {JOB_VARIABLE: job}, metadata)
        except JobExistsError:
            return False
        except UnreachableError:
            if jobs.find(job) is None:  # raises once more when the cluster is really away
                raise
            return False
    return True


def _refuse_secrets(recipe: Recipe) -> None:
    """A password in a URL would lie on the cluster, readable by everyone who has its token."""
    for key, value in _strings(recipe.model_dump(mode="json")):
        if "://" in value and urlsplit(value).password:
            raise RecipeError(
                f"{key} has a password in its URL; everyone with the cluster's token could read it.",
                "Leave the password out and give it to the cluster by a path: PGPASSFILE for PostgreSQL, "
                "AWS_SHARED_CREDENTIALS_FILE for S3.",
            )


def _strings(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _strings(child, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _strings(child, f"{key}.{index}")
    elif isinstance(value, str):
        yield key, value


def resolve(target: str, overrides: Sequence[str], stage: str, jobs: Jobs) -> Job:
    """The job that `target` means: a submission id (its newest attempt), or the recipe that was submitted.

    Raises ClusterError when the cluster knows no such job.
    """
    named = not target.endswith((".yaml", ".yml"))
    first = _ATTEMPT.sub("", target) if named else submission_id(load_recipe(target, overrides), stage)
    found = jobs.find(target) if named and first != target else newest_attempt(jobs, first)[0]
    if found is None:
        raise NoSuchJobError(
            f"The cluster at {jobs.address} knows no job {target if named else first}.", "See: novelray list"
        )
    return found


class NoSuchJobError(RecipeError):
    """The cluster does not know the job that was named."""

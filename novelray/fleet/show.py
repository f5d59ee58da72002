"""Jobs for people (a table, a few lines) and for programs (JSON)."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from novelray.fleet.console import console, say
from novelray.fleet.progress import clock, progress_of, state_of

if TYPE_CHECKING:
    from novelray.onray.jobs import Job

COLOURS = {"SUCCEEDED": "green", "RUNNING": "cyan", "PENDING": "yellow", "STOPPED": "yellow", "FAILED": "red"}


def show_jobs(jobs: Sequence[Job], as_json: bool) -> None:
    """A table of jobs, or a JSON list."""
    if as_json:
        print_json([as_dict(j) for j in jobs])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("job", "recipe", "stage", "state", "took"):
        table.add_column(column, no_wrap=column == "job")
    for job in jobs:
        state = Text(state_of(job), COLOURS.get(job.state, ""))
        table.add_row(job.id, job.metadata.get("recipe", ""), job.metadata.get("stage", ""), state, took(job))
    wide = Console(highlight=False)
    if not sys.stdout.isatty():
        wide.width = 200  # ids must stay whole in files and pipes
    wide.print(table)


def show_job(job: Job, as_json: bool) -> None:
    """One job: state, how long, how far."""
    progress = progress_of(job)
    if as_json:
        print_json({**as_dict(job), "progress": dataclasses.asdict(progress) if progress else None})
        return
    say(f"job: {job.id}")
    console().print(Text.assemble("  state     ", (state_of(job), COLOURS.get(job.state, ""))))
    if took(job):
        console().print(f"  took      {took(job)}")
    if progress:
        console().print(f"  progress  {progress.line()}")
    if job.state == "FAILED" and job.message:
        console().print(Text(f"  message   {job.message.strip().splitlines()[0]}"))


def as_dict(job: Job) -> dict[str, Any]:
    """The job as plain values; `meaning` is its state in words."""
    return {**dataclasses.asdict(job), "meaning": state_of(job)}


def took(job: Job) -> str:
    """How long the job ran, or has been running."""
    return clock((job.ended or time.time()) - job.started) if job.started else ""


def print_json(value: Any) -> None:
    """Indented, with Chinese as it is written."""
    print(json.dumps(value, indent=2, ensure_ascii=False))

"""Verbs for jobs on a running cluster: `submit`, `status`, `logs`, `cancel`, `list`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from novelray.cli.options import AsJson, ClusterOption, Overrides, RecipeArgument, StageOption

if TYPE_CHECKING:
    from novelray.onray.jobs import Job, Jobs

PANEL = "Cluster"
JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="A submission id, or the recipe that was submitted.", show_default=False)
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (submit, status, logs, cancel):
        app.command(rich_help_panel=PANEL)(verb)
    app.command(name="list", rich_help_panel=PANEL)(list_jobs)


def submit(
    recipe: RecipeArgument,
    stage: StageOption = "run",
    cluster: ClusterOption = None,
    overrides: Overrides = None,
    again: Annotated[bool, typer.Option("--again", help="Once more, although it has been done.")] = False,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", "-f", help="Print the job's log until it ends.")] = (
        False
    ),
) -> None:
    """Run a stage on a cluster. The same recipe again finds the job that is there instead of starting another."""
    from novelray.fleet.console import say
    from novelray.fleet.submit import submit as send

    jobs = _jobs(cluster)
    done = send(recipe, overrides or (), stage, jobs, again)
    how = "submitted" if done.outcome == "submitted" else f"was there already ({done.state.lower()})"
    say(f"submit: {done.id} {how}")
    if follow:
        _follow(jobs, done.id)
    else:
        say(f"submit: see it with: novelray logs -f {done.id}")


def status(
    job: JobArgument,
    stage: StageOption = "run",
    cluster: ClusterOption = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """How a job is doing: its state, and how far its run is."""
    from novelray.fleet.show import show_job

    show_job(_find(_jobs(cluster), job, stage, overrides), as_json)


def logs(
    job: JobArgument,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job ends.")] = False,
    stage: StageOption = "run",
    cluster: ClusterOption = None,
    overrides: Overrides = None,
) -> None:
    """What a job has printed. With -f the exit code is the job's."""
    jobs = _jobs(cluster)
    found = _find(jobs, job, stage, overrides)
    if follow:
        _follow(jobs, found.id)
    else:
        typer.echo(jobs.logs(found.id), nl=False)


def cancel(
    job: JobArgument,
    wait: Annotated[float, typer.Option(help="Seconds to wait until the job has committed and ended.")] = 600,
    force: Annotated[bool, typer.Option("--force", help="Kill it when it does not end by itself in that time.")] = (
        False
    ),
    stage: StageOption = "run",
    cluster: ClusterOption = None,
    overrides: Overrides = None,
) -> None:
    """Ask a job to commit and stop, and wait until it has."""
    from novelray.fleet.cancel import cancel as ask
    from novelray.fleet.console import say

    jobs = _jobs(cluster)
    ask(jobs, _find(jobs, job, stage, overrides), wait, force, say)


def list_jobs(cluster: ClusterOption = None, as_json: AsJson = False) -> None:
    """The jobs of a cluster, the newest first."""
    from novelray.fleet.show import show_jobs

    show_jobs(_jobs(cluster).all(), as_json)


def _jobs(cluster: str | None) -> Jobs:
    from novelray.fleet.clusters import find
    from novelray.fleet.submit import connect

    return connect(find(cluster))


def _find(jobs: Jobs, target: str, stage: str, overrides: list[str] | None) -> Job:
    from novelray.fleet.submit import resolve

    return resolve(target, overrides or (), stage, jobs)


def _follow(jobs: Jobs, job: str) -> None:
    """Print until the end, and exit as the job did. Ctrl-C leaves the job running."""
    from novelray.fleet.console import say
    from novelray.fleet.progress import exit_code_of, state_of

    try:
        for text in jobs.follow(job):
            typer.echo(text, nl=False)
    except KeyboardInterrupt:
        say(f"\nlogs: {job} goes on without you; cancel it with: novelray cancel {job}")
        raise typer.Exit(0) from None
    end = jobs.find(job)
    if end is not None:
        say(f"job: {job} {state_of(end)}")
        raise typer.Exit(exit_code_of(end))

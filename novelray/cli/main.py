"""The command line: `novelray VERB`. Verbs stand in the modules beside this and import late what they need."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from novelray import __version__
from novelray.cli import cluster, deploy, export, labels, models, project, runs, stages

app = typer.Typer(
    name="novelray",
    help="From a shelf of novels to a deployed writing model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"novelray {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """From a shelf of novels to a deployed writing model."""


project.add_to(app)
stages.add_to(app)
cluster.add_to(app)
deploy.add_to(app)
models.add_to(app)
export.add_to(app)
labels.add_to(app)
runs.add_to(app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb and return its exit code: 0 done, 2 your input, 3 worth retrying, 4 gave up, 130 cancelled."""
    from novelray.fleet.console import guarded, quiet_libraries

    quiet_libraries()
    # Typer's own standalone mode shows usage errors and turns typer.Exit into SystemExit; ours lie beyond it.
    return guarded(lambda: app(args=None if arguments is None else list(arguments), prog_name="novelray"))


if __name__ == "__main__":
    sys.exit(main())

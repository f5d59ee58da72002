"""`novelray runs`: what has been trained, and how runs compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novelray.cli.options import AsJson


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel="Project")(runs)


def runs(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN]...", help="Ids, their beginnings, or names of recipes.")
    ] = None,
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="Recipe whose storage is searched.")] = Path(
        "recipe.yaml"
    ),
    storage: Annotated[str | None, typer.Option(help="A storage root, instead of a recipe's.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page (.html) with their losses drawn together.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The training runs with their losses, speed and state; the newest first."""
    from novelray.fleet.runs import show_runs

    show_runs(wanted or (), recipe, storage, plot, as_json)

"""`novelray deploy`: which version clients get on the running cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from novelray.cli.options import AsJson, Overrides


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel="Serving")(deploy)


def deploy(
    target: Annotated[
        str | None, typer.Argument(metavar="[RECIPE|NAME@ALIAS]", help="A recipe, or a registered version.")
    ] = None,
    canary: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, metavar="SHARE", help="Only for this share of the clients, always the same."),
    ] = None,
    promote: Annotated[bool, typer.Option("--promote", help="Give all clients the canary.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="Take the canary back.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Who gets what, and how the canary does or ended.")] = False,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", "-r", help="Recipe that says how to serve. Default: recipe.yaml")
    ] = None,
    storage: Annotated[str | None, typer.Option(help="A storage root, instead of a recipe.")] = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Put a version on the running cluster, or replace the one there, and return. No running text is broken."""
    from novelray.fleet import deploy as verbs

    asked = [
        name for name, wanted in (("--promote", promote), ("--rollback", rollback), ("--status", status)) if wanted
    ]
    if len(asked) + (target is not None) != 1:
        raise typer.BadParameter("give a recipe, NAME@ALIAS, --promote, --rollback or --status: one of them")
    if target is not None:
        verbs.deploy(target, recipe, storage, overrides or (), canary)
    elif canary is not None:
        raise typer.BadParameter("--canary needs a recipe or NAME@ALIAS")
    elif promote:
        verbs.promote()
    elif rollback:
        verbs.roll_back()
    else:
        verbs.show_status(as_json)

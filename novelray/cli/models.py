"""`novelray models`: what is in the registry, and where its aliases point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from novelray.cli.options import Overrides, RecipeArgument

if TYPE_CHECKING:
    from pathlib import Path

    from novelray.registry import Registry

app = typer.Typer(help="Registered models: list the versions, move an alias.", no_args_is_help=True)


def add_to(parent: typer.Typer) -> None:
    """Add the verbs as `models ...`."""
    parent.add_typer(app, name="models", rich_help_panel="Serving")


@app.command(name="list")
def list_models(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Every version in the recipe's storage, with its aliases, base and scores."""
    from rich.table import Table

    from novelray.fleet.console import console
    from novelray.registry import HEADINGS, rows

    table = Table()
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")  # an id that is cut cannot be pasted
    for row in rows(_registry(recipe, overrides)):
        table.add_row(*row)
    console().print(table)


@app.command()
def alias(
    recipe: RecipeArgument,
    version: Annotated[str, typer.Argument(metavar="NAME@DIGEST", help="The version.", show_default=False)],
    name: Annotated[str, typer.Argument(metavar="ALIAS", help="For example: live", show_default=False)],
    overrides: Overrides = None,
) -> None:
    """Point an alias at a version; a running endpoint keeps what it serves until it is deployed again."""
    registry = _registry(recipe, overrides)
    found = registry.resolve(version)
    registry.alias(found.name, name, found.digest)
    typer.echo(f"{found.name}@{name} is {found.id}")


def _registry(recipe: Path, overrides: list[str] | None) -> Registry:
    from novelray.recipe import load_recipe
    from novelray.registry import Registry
    from novelray.storage import Store

    section = load_recipe(recipe, overrides or ()).storage
    return Registry(Store(section.root, section.endpoint))

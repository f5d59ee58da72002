"""Verbs around a project: `init`, `recipe`, `trace`, `doctor`, `keys`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from novelray.cli.options import AsJson, Overrides, RecipeArgument

PANEL = "Project"

recipe_app = typer.Typer(no_args_is_help=True, help="Check a recipe, or show what can stand in one.")


def add_to(app: typer.Typer) -> None:
    """Add the verbs, and `keys` where its module can be imported."""
    app.command(rich_help_panel=PANEL)(init)
    app.command(rich_help_panel=PANEL)(doctor)
    app.command(rich_help_panel=PANEL)(trace)
    app.add_typer(recipe_app, name="recipe", rich_help_panel=PANEL)
    with contextlib.suppress(ImportError):
        from novelray.cli.keys import app as keys

        app.add_typer(keys, name="keys", rich_help_panel=PANEL)


def init(folder: Annotated[Path, typer.Argument(help="A new folder.", show_default=False)]) -> None:
    """Make a folder with a recipe to edit and sample stories to try it on."""
    from novelray.cli.scaffold import create
    from novelray.fleet.console import say

    create(folder)
    say(f"init: {folder} holds recipe.yaml and books/. Next: cd {folder} && novelray run recipe.yaml")


def doctor(
    recipe: Annotated[Path | None, typer.Option("--recipe", "-r", help="Check what this recipe needs, too.")] = None,
    address: Annotated[str | None, typer.Option(help="Ray address of a cluster, to look at each of its nodes.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is wrong with this machine or cluster, and the command that mends it."""
    from novelray.fleet.doctor import examine
    from novelray.fleet.findings import show

    findings = examine(recipe, address)
    show(findings, as_json)
    if any(f.state == "fail" for f in findings):
        raise typer.Exit(2)


def trace(
    artifact: Annotated[str, typer.Argument(help="An artifact's id, or a version: name@latest.")],
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="Recipe whose storage is searched.")] = Path(
        "recipe.yaml"
    ),
    storage: Annotated[str | None, typer.Option(help="A storage root, instead of a recipe's.")] = None,
) -> None:
    """The chain from an artifact back to the books."""
    from novelray.fleet.lineage import show_trace

    show_trace(artifact, recipe, storage)


@recipe_app.command()
def check(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Say whether the recipe is right, or what is wrong with it."""
    from novelray.fleet.console import say
    from novelray.plan import unusual_rates
    from novelray.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    for text in unusual_rates(loaded):
        say(f"recipe: warning: {text}")
    stages = loaded.train.resolved()
    say(f"recipe: {recipe} is right; training stages: {', '.join(s.name for s in stages)}")


@recipe_app.command()
def show(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Print the recipe with every default and override filled in."""
    from novelray.recipe import dump_recipe, load_recipe

    typer.echo(dump_recipe(load_recipe(recipe, overrides or ())), nl=False)


@recipe_app.command()
def reference() -> None:
    """Print every key with its meaning, unit and default (Markdown)."""
    from novelray.recipe.reference import markdown

    typer.echo(markdown())


@recipe_app.command()
def schema() -> None:
    """Print the JSON Schema, for editors."""
    import json

    from novelray.recipe.reference import json_schema

    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))

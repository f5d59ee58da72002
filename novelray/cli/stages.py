"""The stages as verbs. Each reads the recipe and calls one function; a stage whose inputs did not change is skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from novelray.cli.options import Fresh, Overrides, RecipeArgument

PANEL = "Stages"


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (corpus, diff, plan, train, update, tune, evaluate, serve, run):
        app.command(rich_help_panel=PANEL)(verb)


def corpus(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Books to clean chapters, with a report."""
    _run("corpus", recipe, overrides)


def diff(
    recipe: RecipeArgument,
    book: Annotated[str, typer.Argument(help="A book's name, or a glob over names.", show_default=False)],
    overrides: Overrides = None,
) -> None:
    """What cleaning and masking change in a book, as a diff of its sentences. Nothing is built."""
    import tempfile

    from novelray.corpus.changes import changes_of, chosen
    from novelray.corpus.shelf import fetch, find_books
    from novelray.recipe import load_recipe

    loaded = load_recipe(recipe, overrides or ())
    endpoint = loaded.storage.endpoint
    for one in chosen(find_books(loaded.corpus.books, endpoint), book):
        with tempfile.TemporaryDirectory(prefix="novelray-diff-") as folder:
            for line in changes_of(fetch(one, Path(folder), endpoint), one, loaded.corpus, key=loaded.seed):
                typer.echo(line)


def plan(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Is there enough text, will it fit, how long will it take?"""
    _run("plan", recipe, overrides)


def train(recipe: RecipeArgument, overrides: Overrides = None, fresh: Fresh = False) -> None:
    """Train and register the model; goes on from the last commit after a crash."""
    _run("train", recipe, _with_fresh(overrides, fresh))


def update(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Go on training the promoted model on what is new in the books; nothing new, nothing done."""
    _run("update", recipe, overrides)


def tune(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Search for better hyper-parameters and write the winning recipe."""
    _run("tune", recipe, overrides)


def evaluate(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Score the model on what it was not trained on."""
    _run("evaluate", recipe, overrides)


def serve(recipe: RecipeArgument, overrides: Overrides = None) -> None:
    """Serve the model on an OpenAI-compatible endpoint until Ctrl-C."""
    _run("serve", recipe, overrides)


def run(
    recipe: RecipeArgument,
    overrides: Overrides = None,
    fresh: Fresh = False,
    remain: bool = typer.Option(True, help="Keep the endpoint up until Ctrl-C, or stop after its first continuation."),
) -> None:
    """All stages, from the books to an endpoint that streams a continuation."""
    _run("run", recipe, _with_fresh(overrides, fresh), remain=remain, written_as=str(recipe))


def _with_fresh(overrides: list[str] | None, fresh: bool) -> list[str]:
    return [*(overrides or ()), *(["train.on_change=restart"] if fresh else [])]


def _run(stage: str, path: Path, overrides: list[str] | None, **options: Any) -> None:
    from novelray.fleet.stages import run_stage
    from novelray.recipe import load_recipe

    run_stage(stage, load_recipe(path, overrides or ()), **options)

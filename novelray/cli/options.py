"""Arguments that several verbs share, so that they read and work the same everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RecipeArgument = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe, a YAML file.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key: --set train.epochs=3. Repeatable."),
]
Fresh = Annotated[
    bool,
    typer.Option("--fresh", help="Begin a new run when the recipe was changed and its run is unfinished."),
]
ClusterOption = Annotated[
    str | None,
    typer.Option("--cluster", "-c", metavar="NAME", help="A name in ~/.novelray/clusters.yaml, or http://HOST:8265."),
]
StageOption = Annotated[str, typer.Option("--stage", "-s", help="corpus, train, update, tune, evaluate, serve or run.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

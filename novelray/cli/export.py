"""`novelray export`: a registered model as a folder or file for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Form(StrEnum):
    """In which form a model goes out."""

    merged = "merged"
    adapter = "adapter"
    gguf = "gguf"


class Dtype(StrEnum):
    """In which number format its weights are written."""

    bf16 = "bf16"
    f16 = "f16"
    f32 = "f32"
    q8_0 = "q8_0"


def add_to(app: typer.Typer) -> None:
    """Add the verb."""
    app.command(rich_help_panel="Serving")(export)


def export(
    model: Annotated[str, typer.Argument(metavar="NAME@ALIAS", help="A version: name@latest, name@digest.")],
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="A new folder.", show_default=False)],
    form: Annotated[Form, typer.Option("--format", help="All weights, the adapter alone, or one file for llama.cpp.")],
    dtype: Annotated[Dtype | None, typer.Option(help="Number format. Default: as the weights are stored.")] = None,
    recipe: Annotated[Path, typer.Option("--recipe", "-r", help="Recipe whose storage has the model.")] = Path(
        "recipe.yaml"
    ),
    storage: Annotated[str | None, typer.Option(help="A storage root, instead of a recipe's.")] = None,
) -> None:
    """A registered model for other programs, read again and compared before it is there."""
    from novelray.fleet.console import say
    from novelray.fleet.export import export_model

    export_model(model, to, form.value, dtype.value if dtype else None, recipe, storage, say)

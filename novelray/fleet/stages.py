"""The stages by name, for the command line and the job entrypoints: one function each, imported when called."""

from __future__ import annotations

import importlib
from typing import Any

from novelray.errors import NovelRayError
from novelray.recipe import Recipe

PIPELINE = "novelray.onray.pipeline"

STAGES = ("corpus", "train", "update", "tune", "evaluate", "serve", "run")
"""What can be submitted as a job."""


def run_stage(name: str, recipe: Recipe, **options: Any) -> Any:
    """Call the stage's function with the recipe. What it prints goes through `say`."""
    from novelray.fleet.console import say

    return _function(name)(recipe, say, **options)


def _function(name: str) -> Any:
    module = importlib.import_module(PIPELINE)
    found = getattr(module, name, None)
    if found is None:
        raise NovelRayError(f"This version has no stage {name!r} yet.", f"There are: {', '.join(STAGES)}.")
    return found

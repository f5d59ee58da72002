"""What is known for the plan: of the corpus and shards that are there, the model's shape, the cluster."""

from __future__ import annotations

import json
from pathlib import Path

from novelray.errors import ModelError
from novelray.models.source import resolve
from novelray.plan import Facts, ModelShape, shape_of, shape_of_scratch
from novelray.recipe import Recipe
from novelray.storage import Artifact, Artifacts


def facts_of(recipe: Recipe, artifacts: Artifacts) -> Facts:
    """What can be told without running anything. Nothing is built; what was built for this recipe is used."""
    newest = _newest_shards(recipe, artifacts)
    counts = newest.counts if newest else {}
    train = counts.get("train", {})
    rows = {stage.name: int(train["rows"]) for stage in recipe.train.resolved()} if train else {}
    return Facts(tokens=train.get("tokens"), rows=rows, shape=_shape(recipe))


def _newest_shards(recipe: Recipe, artifacts: Artifacts) -> Artifact | None:
    """Shards of all books made with this recipe's context, the newest ones."""
    found = [a for a in artifacts.all() if a.manifest.kind == "shards"]
    fitting = [a for a in found if a.manifest.section.get("context") == recipe.shards.context]
    return max(fitting, key=lambda a: a.manifest.created, default=None)


def _shape(recipe: Recipe) -> ModelShape | None:
    base = recipe.model.base
    if base.startswith("scratch:"):
        return shape_of_scratch(base.removeprefix("scratch:"), recipe.shards.vocab_size)
    if "@" in base:
        return None
    folder = Path(resolve(recipe.model).partition(":")[2])
    try:
        return shape_of(json.loads((folder / "config.json").read_text("utf-8")))
    except ModelError:  # a shape that the plan cannot count, such as a mixture of experts
        return None

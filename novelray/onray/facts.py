"""What is known for the plan: of the corpus and shards that are there, the model's shape, the cluster."""

from __future__ import annotations

import json
from pathlib import Path

from novelray.corpus.shelf import find_books
from novelray.errors import ModelError
from novelray.models.source import resolve
from novelray.onray.corpus import plan_of
from novelray.plan import Facts, ModelShape, shape_of, shape_of_scratch
from novelray.recipe import Recipe
from novelray.recipe.train import StageSection
from novelray.storage import Artifact, Artifacts


def facts_of(recipe: Recipe, artifacts: Artifacts) -> Facts:
    """What can be told without running anything. Nothing is built; what was built for this recipe is used.

    Raises CorpusError when books that the recipe names are not there, ModelError when its base is not.
    """
    shards = _shards(recipe, artifacts)
    rows = {name: int(found.counts["train"]["rows"]) for name, found in shards.items()}
    tokens = {found.id: int(found.counts["train"]["tokens"]) for found in shards.values()}
    memory = recipe.plan.gpu_memory
    return Facts(
        tokens=sum(tokens.values()) if tokens else None, rows=rows, shape=_shape(recipe), bf16=memory is not None,
        worker_memory=None if memory is None else int(memory * 2**30),
    )  # fmt: skip


def _shards(recipe: Recipe, artifacts: Artifacts) -> dict[str, Artifact]:
    """The shards of each stage that has them, by the stage's name."""
    if not recipe.corpus.books:
        return {}
    corpus = plan_of(recipe, find_books(recipe.corpus.books, recipe.storage.endpoint), artifacts).id
    made = [a for a in artifacts.all() if a.manifest.kind == "shards" and a.manifest.inputs["corpus"] == corpus]
    found = {stage.name: _newest(recipe, stage, made) for stage in recipe.train.resolved()}
    return {name: artifact for name, artifact in found.items() if artifact is not None}


def _newest(recipe: Recipe, stage: StageSection, made: list[Artifact]) -> Artifact | None:
    """Tokenizers may differ: the newest."""
    section = {**recipe.shards.identity(), "books": list(stage.books)}
    fitting = [a for a in made if a.manifest.section == json.loads(json.dumps(section))]
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

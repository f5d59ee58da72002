"""Recipes that follow from a recipe."""

from __future__ import annotations

from novelray.errors import RecipeError
from novelray.recipe.compatibility import broken_rules
from novelray.recipe.schema import Recipe
from novelray.recipe.train import TrainSection


def recipe_of_update(recipe: Recipe, base: str) -> Recipe:
    """The recipe that trains `base`, a registered version (`name@digest`), on what is new: one stage, the update's.

    Raises RecipeError for settings that do not go together then.
    """
    last = recipe.train.resolved()[-1]
    if last.method == "prefix":
        raise RecipeError(
            f"The last stage ({last.name!r}) trains a prefix, from which no update can go on.",
            "Train it anew with novelray train, or set its train.method to lora.",
        )
    train = TrainSection(
        stages=(recipe.update.stage(last),),
        checkpoint_every=recipe.train.checkpoint_every,
        keep_checkpoints=recipe.train.keep_checkpoints,
    )
    model = recipe.model.model_copy(update={"base": base, "revision": None})
    shards = recipe.shards.model_copy(update={"tokenizer": "base"})
    derived = recipe.model_copy(update={"train": train, "model": model, "shards": shards})
    problems = broken_rules(derived)
    if problems:
        raise RecipeError("\n".join(p.what for p in problems), "\n  ".join(p.hint for p in problems))
    return derived

"""The recipe of an update: the last stage's settings on the promoted version, and something against forgetting."""

import pytest
from pydantic import ValidationError

from novelray.errors import RecipeError
from novelray.recipe import Recipe
from novelray.recipe.derived import recipe_of_update

STAGES = [
    {"name": "language", "method": "full", "learning_rate": 1e-3},
    {"name": "voice", "method": "lora", "lora": {"rank": 32}, "books": ["秋*"]},
]
VERSION = "tale@0123456789ab"


def recipe(update=None, train=None, **more):
    train = {"stages": STAGES, "epochs": 3, "global_batch": 8, **(train or {})}
    return Recipe.model_validate({"name": "tale", "train": train, "update": update or {}, **more})


def stage(*args, **more):
    (only,) = recipe_of_update(recipe(*args, **more), VERSION).train.resolved()
    return only


def test_an_update_is_one_stage_with_the_last_ones_settings_on_the_version():
    whole = recipe_of_update(recipe(), VERSION)
    (only,) = whole.train.resolved()
    last = recipe().train.resolved()[-1]
    assert only == last.model_copy(update={"name": "update", "continual": only.continual})
    assert (only.method, only.lora.rank, only.epochs, only.books) == ("lora", 32, 3, ("秋*",))
    assert (whole.model.base, whole.shards.tokenizer) == (VERSION, "base")
    assert whole.corpus == recipe().corpus


def test_what_the_recipe_says_against_forgetting_is_done_and_a_replay_by_default():
    assert stage().continual.replay == 0.2
    own = stage(train={"stages": [STAGES[0], {**STAGES[1], "continual": {"replay": 0.4, "old": ["盐*"]}}]}).continual
    assert (own.replay, own.ewc, own.old) == (0.4, None, ())
    asked = stage(
        {"continual": {"ewc": {"strength": 5}}}, train={"continual": {"replay": 0.4, "old": ["盐*"]}}
    ).continual
    assert (asked.replay, asked.ewc.strength, asked.old) == (0.0, 5, ())
    assert not stage({"continual": {}}).continual.active, "nothing was asked for, aloud"


def test_a_recipe_whose_update_would_be_refused_is_refused():
    with pytest.raises(ValidationError, match=r"ewc does not go with train.method 'qlora' in stage 'update'"):
        recipe({"continual": {"ewc": {}}}, train={"stages": [STAGES[0], {"name": "voice", "method": "qlora"}]})
    with pytest.raises(RecipeError, match="a batch of one row"):
        recipe_of_update(recipe(train={"global_batch": 1}), VERSION)


def test_a_prefix_is_not_updated_and_it_is_said_before_anything_is_done():
    with pytest.raises(RecipeError, match="trains a prefix") as caught:
        recipe_of_update(recipe(train={"stages": [STAGES[0], {"name": "voice", "method": "prefix"}]}), VERSION)
    assert "lora" in caught.value.hint


def test_updates_change_no_recipe_s_identity():
    assert recipe({"min_new_tokens": 5}).identity() == recipe().identity()

"""What to change when a stage does not fit: the least first, in words of the recipe, and it does fit then."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novelray.onray.facts import facts_of
from novelray.plan import ROOM, Facts, ModelShape, Strategy, estimate, first_fit, lines, plan
from novelray.recipe import Recipe
from novelray.recipe.train import LoraSection

SHAPE = ModelShape(vocab=32000, hidden=4096, layers=32, heads=32, key_value_heads=32, intermediate=11008, head_dim=128)
GB = 1 << 30
LORA = Strategy(lora=LoraSection(), bf16=True, micro_batch=8, context=2048)


@pytest.mark.parametrize(
    ("strategy", "limit", "settings", "same"),
    [
        (LORA, 80, {"train.micro_batch": 4}, True),
        (LORA, 50, {"train.micro_batch": 2}, True),
        (replace(LORA, micro_batch=1, context=4096), 32, {"train.activation_checkpointing": True}, True),
        (Strategy(bf16=True, workers=8, context=512, recompute=True), 32, {"scaling.zero": 2}, True),
        (
            Strategy(bf16=True, context=512, recompute=True), 48,
            {"scaling.offload": "optimizer", "scaling.zero": 1}, True,
        ),
        (
            Strategy(bf16=True, small_moments=True, context=512, recompute=True), 36,
            {"scaling.offload": "optimizer", "scaling.zero": 1, "train.optimizer": "adamw"}, True,
        ),
        (Strategy(bf16=True, offload=True, zero=1, context=512, recompute=True), 20, {"train.method": "lora"}, False),
    ],
)  # fmt: skip
def test_the_first_change_that_fits_is_the_one_that_costs_least(strategy, limit, settings, same):
    found = first_fit(SHAPE, strategy, limit * GB)
    assert found.settings == settings
    assert found.same == same
    assert found.total <= limit * GB < estimate(SHAPE, strategy).total


def test_where_no_change_is_enough_alone_the_first_few_together_are():
    found = first_fit(SHAPE, replace(LORA, context=16_384), 24 * GB)
    assert list(found.settings)[:2] == ["train.micro_batch", "train.activation_checkpointing"]
    assert str(found).startswith("train.micro_batch: 1 and train.activation_checkpointing: true")
    assert found.total <= 24 * GB


def test_what_nothing_makes_fit_is_said_and_the_search_ends():
    assert first_fit(SHAPE, LORA, 4 * GB) is None
    assert first_fit(SHAPE, Strategy(micro_batch=3, workers=8), 1 * GB) is None


@pytest.fixture
def recipe(tmp_path):
    import json

    config = {
        "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32,
        "num_attention_heads": 32, "intermediate_size": 11008,
    }  # fmt: skip
    import torch
    from safetensors.torch import save_file

    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file({"model.norm.weight": torch.ones(1)}, tmp_path / "model.safetensors")

    def make(**sections):
        return Recipe.model_validate({"name": "t", "model": {"base": str(tmp_path)}, **sections})

    return make


def test_the_plan_holds_each_stage_against_the_gpu_that_the_recipe_names(recipe, artifacts):
    train, shards = {"micro_batch": 8, "global_batch": 8}, {"context": 2048}
    unknown = plan(recipe(train=train, shards=shards), facts_of(recipe(), artifacts))
    assert unknown.warnings == ()
    asked = recipe(train=train, shards=shards, plan={"gpu_memory": 80})
    small = "\n".join(lines(plan(asked, facts_of(asked, artifacts))))
    assert "a worker has 80.0 GiB. With train.micro_batch: 4 it needs about" in small
    changed = asked.train.model_copy(update={"micro_batch": 4})
    again = plan(asked.model_copy(update={"train": changed}), facts_of(asked, artifacts))
    assert again.warnings == ()
    assert again.stages[0].memory.total <= ROOM * 80 * GB


@pytest.mark.parametrize(
    ("base", "method", "rate", "said"),
    [
        ("some/base", "full", 1e-5, None),
        ("some/base", "full", 1e-3, None),
        ("some/base", "full", 5e-3, "1e-05 usual: the model may lose"),
        ("some/base", "full", 1e-8, "1e-05 usual: it may hardly change"),
        ("some/base", "lora", 2e-4, None),
        ("some/base", "lora", 5e-2, "0.0001 usual: the model may lose"),
        ("some/base", "lora", 1e-7, "0.0001 usual: it may hardly change"),
        ("scratch:nano", "full", 4e-3, None),
        ("scratch:nano", "full", 1e-6, "for random weights 1e-05 to 0.01 is reasonable and 0.001 usual"),
    ],
)
def test_an_unusual_learning_rate_is_told_with_what_is_usual_and_used_as_it_stands(base, method, rate, said):
    r = Recipe.model_validate({
        "name": "t", "model": {"base": base}, "train": {"method": method, "learning_rate": rate},
    })  # fmt: skip
    warned = "\n".join(finding.text for finding in plan(r, Facts()).warnings)
    assert (said in warned and "used as it stands" in warned) if said else warned == ""


def test_a_stage_on_a_trained_scratch_model_is_held_against_a_trained_model(tmp_path, capsys):
    from novelray.cli.main import main

    path = tmp_path / "recipe.yaml"
    path.write_text(
        "name: t\ntrain:\n  learning_rate: 5e-3\n  stages: [{name: a, method: full}, {name: b, method: full}]\n"
    )
    assert main(["recipe", "check", str(path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "warning" in line]
    assert len(told) == 1
    assert "Stage 'b'" in told[0]

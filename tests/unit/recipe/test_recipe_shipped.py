"""The recipes that are shipped, tried dry: read, held against the rules and a real model's size, and a step of each
stage on a model of no size."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from support import methods, training

from novelray.models.source import digest_of_source
from novelray.plan import ROOM, Facts, lines, plan, shape_of
from novelray.recipe import load_recipe
from novelray.recipe.compatibility import broken_rules
from novelray.recipe.derived import recipe_of_update
from novelray.storage import Plan
from novelray.train.fisher import fisher_plan

RECIPES = {path.stem: path for path in sorted((Path(__file__).parents[3] / "jobs" / "recipes").glob("*.yaml"))}
QWEN_7B = {  # config.json of Qwen/Qwen2.5-7B
    "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4, "tie_word_embeddings": False,
}  # fmt: skip
GIB = 1 << 30
STAGES = [(name, stage.name) for name, path in RECIPES.items() for stage in load_recipe(path).train.resolved()]


def planned(name):
    recipe = load_recipe(RECIPES[name])
    memory = recipe.plan.gpu_memory
    facts = Facts(shape=shape_of(QWEN_7B), bf16=True, worker_memory=None if memory is None else int(memory * GIB))
    return recipe, plan(recipe, facts)


@pytest.mark.parametrize("name", RECIPES)
def test_a_shipped_recipe_breaks_no_rule_can_be_planned_and_can_be_updated(name):
    recipe, found = planned(name)
    assert broken_rules(recipe) == []
    assert len(lines(found)) > len(recipe.train.resolved())
    assert recipe_of_update(recipe, f"{name}@0123456789ab").train.resolved()[0].name == "update"
    if recipe.plan.gpu_memory:
        assert not [finding.text for finding in found.warnings if "and a worker has" in finding.text]


def test_low_memory_trains_a_model_of_seven_billion_weights_in_less_than_24_gb():
    recipe, found = planned("low-memory")
    (stage,) = found.stages
    assert found.parameters > 7e9
    assert stage.memory.total < ROOM * 24 * GIB
    section = recipe.train.resolved()[0]
    assert (section.method, section.bits, section.optimizer) == ("qlora", 4, "adamw8bit")
    assert section.activation_checkpointing
    assert stage.accumulation > 1
    assert recipe.scaling.workers == 1


def test_publication_trains_every_weight_and_then_the_upper_layers_alone_for_20_epochs_at_most():
    recipe, found = planned("publication")
    whole, upper = recipe.train.resolved()
    assert (whole.method, whole.freeze_layers, upper.method) == ("full", 0, "full")
    assert upper.freeze_layers == QWEN_7B["num_hidden_layers"] // 2
    assert all(stage.epochs == 20 and stage.early_stopping for stage in (whole, upper))
    assert found.stages[1].trained < found.stages[0].trained
    assert all(stage.memory.total < ROOM * 80 * GIB for stage in found.stages)


def test_continual_starts_from_a_version_and_holds_on_to_what_it_knew():
    recipe, _ = planned("continual")
    (stage,) = recipe.train.resolved()
    assert "@" in recipe.model.base
    assert stage.continual.ewc
    assert stage.continual.replay > 0
    assert recipe.registry.promote.old_rise is not None
    assert recipe_of_update(recipe, "tale@0123456789ab").train.resolved()[0].continual == stage.continual


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return methods.tiny_base(tmp_path_factory.mktemp("shipped"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stage"), STAGES)
def test_every_stage_of_a_shipped_recipe_takes_a_step(name, stage, tiny):
    recipe = load_recipe(RECIPES[name])
    section = next(s for s in recipe.train.resolved() if s.name == stage)
    if {section.method, section.optimizer} & {"qlora", "adamw8bit"} and not find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is not installed")
    few = {"max_steps": 1, "validate_every": 1, "global_batch": 4, "micro_batch": 2}
    section = section.model_copy(update={**few, "freeze_layers": min(section.freeze_layers, 1)})
    old = (tiny.shards,) if section.continual.active else ()
    job = replace(
        tiny, stage=section, scaling=recipe.scaling.model_copy(update={"workers": 1}), old_shards=old,
        plan=Plan("model", 1, {"shards": tiny.shards, "base": digest_of_source(tiny.source)}, {name: stage}),
        fisher=fisher_plan(section, tiny.source, old, tiny.seed),
    )  # fmt: skip
    training.run_here(job)
    assert len(training.losses(job)) == 1
    assert training.weights(job)

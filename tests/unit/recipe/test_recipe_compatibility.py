"""Every rule of the compatibility table, broken alone, with the values in its message."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from novelray.recipe import Recipe
from novelray.recipe.compatibility import RULES, broken_rules
from novelray.recipe.explain import all_keys, section_of

FULL = {"method": "full"}
BREAKING = {
    "global-batch-divides": (
        {"train": {**FULL, "global_batch": 10, "micro_batch": 3}},
        ["(10)", "(3)", "(1)", "'main'"],
    ),
    "lora-not-zero-3": ({"model": {"base": "some/base"}, "scaling": {"zero": 3}}, ["'lora'", "zero 3", "'main'"]),
    "prefix-not-zero-3": (
        {"model": {"base": "some/base"}, "train": {"method": "prefix"}, "scaling": {"zero": 3}},
        ["'prefix'", "zero 3", "'main'"],
    ),
    "compile-not-zero-3": (
        {"train": {**FULL, "compile": True}, "scaling": {"zero": 3, "workers": 2}},
        ["zero 3", "'main'"],
    ),
    "compile-not-in-few-bits-or-a-prefix": (
        {"model": {"base": "some/base"}, "train": {"method": "prefix", "compile": True}},
        ["'prefix'", "'main'"],
    ),
    "compile-or-liger": ({"train": {**FULL, "compile": True, "liger": True}}, ["train.liger", "'main'"]),
    "compile-not-on-sparse-attention": (
        {"model": {"base": "some/base", "attention": {}}, "train": {"compile": True}},
        ["sparse", "'main'"],
    ),
    "prefix-comes-last": (
        {"model": {"base": "some/base"}, "train": {"stages": [{"name": "a", "method": "prefix"}, {"name": "b"}]}},
        ["'a'", "'prefix'"],
    ),
    "prefix-not-on-sparse-attention": (
        {"model": {"base": "some/base", "attention": {}}, "train": {"method": "prefix"}},
        ["'prefix'", "'main'"],
    ),
    "ewc-not-on-a-prefix": (
        {"model": {"base": "some/base"}, "train": {"method": "prefix", "continual": {"ewc": {}}}},
        ["'prefix'", "'main'"],
    ),
    "ewc-not-zero-3": (
        {"model": {"base": "some/base"}, "train": {**FULL, "continual": {"ewc": {}}}, "scaling": {"zero": 3}},
        ["zero 3", "'main'"],
    ),
    "ewc-not-on-few-bits": (
        {"model": {"base": "some/base"}, "train": {"method": "qlora", "continual": {"ewc": {}}}},
        ["'qlora'", "'main'", "4 bits"],
    ),
    "ewc-needs-something-known": ({"train": {**FULL, "continual": {"ewc": {}}}}, ["'scratch:nano'", "'main'"]),
    "offload-needs-zero": ({"train": FULL, "scaling": {"offload": "optimizer"}}, ["'optimizer'", "is 0"]),
    "offloaded-weights-need-zero-3": (
        {"train": FULL, "scaling": {"offload": "parameters", "zero": 2}},
        ["'parameters'", "is 2"],
    ),
    "small-moments-stay-on-the-device": (
        {"train": {**FULL, "optimizer": "adamw8bit"}, "scaling": {"offload": "optimizer", "zero": 1}},
        ["'adamw8bit'", "'optimizer'", "'main'"],
    ),
    "scratch-needs-full-first": ({"train": {"method": "lora"}}, ["'scratch:nano'", "'lora'", "'main'"]),
    "pissa-needs-whole-weights": (
        {"model": {"base": "some/base"}, "train": {"method": "qlora", "lora": {"init": "pissa"}}},
        ["'pissa'", "'qlora'", "'main'", "4 bits"],
    ),
    "dora-not-on-8-bits": (
        {"model": {"base": "some/base"}, "train": {"method": "qlora", "bits": 8, "lora": {"dora": True}}},
        ["'qlora'", "is 8", "'main'"],
    ),
    "freezing-is-for-full": (
        {"model": {"base": "some/base"}, "train": {"freeze_layers": 2}},
        ["is 2", "'lora'", "'main'"],
    ),
    "random-layers-are-trained": ({"train": {**FULL, "freeze_layers": 3}}, ["3 layers", "'scratch:nano'", "'main'"]),
    "learning-rate-is-possible": ({"train": {**FULL, "learning_rate": 2}}, ["is 2 in stage 'main'", "1e-5", "1e-4"]),
    "scratch-trains-a-tokenizer": (
        {"model": {"base": "some/base"}, "shards": {"tokenizer": "train"}},
        ["'train'", "'some/base'"],
    ),
    "vllm-needs-a-gpu": (
        {"train": FULL, "serve": {"engine": "vllm"}, "scaling": {"device": "cpu"}},
        ["'vllm'", "'cpu'"],
    ),
    "several-gpus-need-vllm": ({"train": FULL, "serve": {"tensor_parallel": 4}}, ["is 4", "'embedded'"]),
    "vllm-not-on-sparse-attention": (
        {"model": {"base": "some/base", "attention": {}}, "train": FULL, "serve": {"engine": "vllm"}},
        ["'vllm'", "sparse"],
    ),
    "vllm-has-no-heads": (
        {"train": {**FULL, "tasks": [{"name": "a", "label": "author"}]}, "serve": {"engine": "vllm"}},
        ["'vllm'", "'main'"],
    ),
    "vllm-has-no-prefix": (
        {"model": {"base": "some/base"}, "train": {"method": "prefix"}, "serve": {"engine": "vllm"}},
        ["'vllm'", "'prefix'", "'main'"],
    ),
    "stage-names-differ": ({"train": {**FULL, "stages": [{"name": "a"}, {"name": "a"}]}}, ["'a'"]),
    "task-names-differ": (
        {"train": {**FULL, "tasks": [{"name": "a", "label": "genre"}, {"name": "a", "label": "author"}]}},
        ["'main'"],
    ),
    "task-labels-exist": ({"train": {**FULL, "tasks": [{"name": "a", "label": "tone"}]}}, ["'main'", "learns tone"]),
    "context-fits-the-positions": (
        {"train": FULL, "model": {"position_limit": 64}, "shards": {"context": 128}},
        ["(64)", "(128)"],
    ),
    "a-block-fits-a-row": (
        {"train": FULL, "model": {"attention": {"block": 256}}, "shards": {"context": 128}},
        ["(256)", "(128)"],
    ),
    "heldout-books-by-book": ({"train": FULL, "corpus": {"heldout": {"books": ["红*"]}}}, ["红*", "'chapter'"]),
    "heldout-leaves-training": ({"train": FULL, "corpus": {"heldout": {"share": 1}}}, ["1.0"]),
    "early-stopping-needs-validation": (
        {"train": {**FULL, "early_stopping": {}, "max_steps": 5, "validate_every": 9}},
        ["(5)", "9", "'main'"],
    ),
    "curriculum-weights-per-band": (
        {"train": {**FULL, "epochs": 15, "curriculum": {"bands": 3}}},
        ["'main'", "3 bands"],
    ),
    "curriculum-epochs-rise": (
        {"train": {**FULL, "curriculum": {"schedule": [{"epoch": 2, "easy": 0.5}, {"epoch": 2, "easy": 0.2}]}}},
        ["'main'"],
    ),
    "curriculum-uses-every-band": ({"train": {**FULL, "epochs": 5, "curriculum": {}}}, ["5 epoch(s)", "'main'"]),
    "curriculum-loss-needs-a-trained-base": (
        {"train": {**FULL, "epochs": 15, "curriculum": {"difficulty": "loss"}}},
        ["'main'", "'scratch:nano'"],
    ),
    "replay-leaves-room": (
        {"train": {**FULL, "global_batch": 1, "continual": {"replay": 0.5}}},
        ["(0.5)", "train.global_batch 1", "'main'"],
    ),
    "tune-grace-within-steps": ({"train": FULL, "tune": {"grace_steps": 30, "max_steps": 20}}, ["(30)", "(20)"]),
    "tune-has-ranks": ({"model": {"base": "some/base"}, "tune": {"lora_rank": []}}, ["'main'", "'lora'"]),
    "tune-range-rises": ({"train": FULL, "tune": {"learning_rate": [0.1, 0.01]}}, ["0.1", "0.01"]),
}


def test_every_rule_has_a_recipe_here_that_breaks_it():
    assert {rule.name for rule in RULES} == set(BREAKING)


@pytest.mark.parametrize("name", sorted(BREAKING))
def test_a_recipe_that_breaks_a_rule_is_refused_with_its_values_and_a_way_out(name):
    sections, values = BREAKING[name]
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": "tale", **sections})
    lines = str(caught.value.errors()[0]["ctx"]["error"]).split("\n")
    rule = next(rule for rule in RULES if rule.name == name)
    assert len(lines) == 1, f"{name} alone should be broken: {lines}"
    assert lines[0].endswith(rule.hint)
    for value in values:
        assert value in lines[0]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_keys_of_a_rule_exist(rule):
    for key in rule.fields:
        model = Recipe
        for part in key.split("."):
            assert part in model.model_fields, key
            model = section_of(model.model_fields[part].annotation) or model


def test_all_broken_rules_are_told_at_once():
    with pytest.raises(ValidationError) as caught:
        Recipe.model_validate({"name": "t", "scaling": {"zero": 3}, "tune": {"learning_rate": [1, 1]}})
    said = str(caught.value.errors()[0]["ctx"]["error"])
    assert len(said.split("\n")) == 3  # adapters with ZeRO-3, adapters on random weights, a range that does not rise


def test_a_rule_looks_at_every_stage_with_what_it_inherits():
    stages = [{"name": "a"}, {"name": "b", "global_batch": 9}]
    with pytest.raises(ValidationError, match=r"\(9\).*'b'"):
        Recipe.model_validate({"name": "t", "train": {**FULL, "micro_batch": 2, "stages": stages}})


def test_a_recipe_that_breaks_nothing_passes():
    stages = [{"name": "base"}, {"name": "voice", "method": "lora"}]
    recipe = Recipe.model_validate({"name": "t", "train": {**FULL, "stages": stages}, "scaling": {"workers": 2}})
    assert broken_rules(recipe) == []


def test_names_from_other_tools_lead_to_keys_that_exist():
    from novelray.recipe.explain import KNOWN_ELSEWHERE_AS

    assert set(KNOWN_ELSEWHERE_AS.values()) <= set(all_keys())

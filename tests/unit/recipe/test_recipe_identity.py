"""Identity: what is made decides it; where, how fast and in what words the recipe says it do not."""

from __future__ import annotations

import pytest

from novelray.recipe import Recipe


def recipe(**sections) -> Recipe:
    sections["train"] = {"method": "full", **sections.get("train", {})}
    return Recipe.model_validate({"name": "tale", **sections})


def identity(r: Recipe) -> dict:
    return {name: getattr(r, name).identity() for name in ("corpus", "shards", "model", "train", "scaling", "storage")}


@pytest.mark.parametrize(
    "places",
    [
        {"corpus": {"books": ["/elsewhere"]}},
        {"storage": {"root": "s3://b/x", "cache": "/c"}},
        {"scaling": {"workers": 2, "zero": 2, "device": "cpu"}},
        {"shards": {"workers": 3}},
        {"train": {"micro_batch": 4, "activation_checkpointing": True, "checkpoint_every": 7}},
        {"train": {"lora": {"rank": 3}}},  # no adapter is trained
        {"serve": {"port": 1}, "telemetry": {"log_every": 9}, "registry": {"alias": "x"}},
    ],
)
def test_places_workers_and_speed_leave_identity_alone(places):
    assert identity(recipe(**places)) == identity(recipe())


@pytest.mark.parametrize(
    "contents",
    [
        {"corpus": {"min_chapter_chars": 1}},
        {"corpus": {"heldout": {"share": 0.1}}},
        {"shards": {"context": 64}},
        {"model": {"base": "scratch:mini"}},
        {"train": {"learning_rate": 1e-3}},
        {"train": {"early_stopping": {"patience": 1}}},
        {"train": {"stages": [{"name": "main", "books": ["a*"]}]}},
    ],
)
def test_what_changes_the_result_changes_identity(contents):
    assert identity(recipe(**contents)) != identity(recipe())


def test_a_default_said_aloud_changes_nothing():
    said = recipe(train={"learning_rate": 2e-4, "stages": [{"name": "main"}]})
    assert identity(said) == identity(recipe())


def test_a_stage_that_says_a_default_differs_from_one_that_inherits_another_value():
    inherits = recipe(train={"learning_rate": 1e-3, "stages": [{"name": "one"}]})
    says = recipe(train={"learning_rate": 1e-3, "stages": [{"name": "one", "learning_rate": 2e-4}]})
    assert inherits.train.resolved()[0].learning_rate == 1e-3
    assert says.train.resolved()[0].learning_rate == 2e-4
    assert identity(inherits) != identity(says)


def test_a_stage_inherits_the_keys_that_its_subsection_leaves_out():
    r = recipe(train={"lora": {"rank": 4, "dropout": 0.1}, "stages": [{"name": "one", "lora": {"rank": 8}}]})
    lora = r.train.resolved()[0].lora
    assert (lora.rank, lora.dropout) == (8, 0.1)


def test_a_stage_switches_an_inherited_section_off_with_null():
    r = recipe(
        train={"early_stopping": {"patience": 2}, "stages": [{"name": "a"}, {"name": "b", "early_stopping": None}]}
    )
    assert [s.early_stopping is None for s in r.train.resolved()] == [False, True]


def test_identities_are_plain_json():
    import json

    r = recipe(train={"stages": [{"name": "one"}]})
    assert json.loads(json.dumps(identity(r))) == identity(r)

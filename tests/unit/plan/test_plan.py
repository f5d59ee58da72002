"""The plan: what is said, when it warns, and what it keeps quiet about."""

from __future__ import annotations

import pytest

from novelray.plan import Facts, ModelShape, lines, plan
from novelray.recipe import Recipe
from novelray.recipe.guide import MARK, VOLUMES, mark, tokens_for_mark

SHAPE = ModelShape(vocab=32000, hidden=4096, layers=32, heads=32, key_value_heads=32, intermediate=11008, head_dim=128)


def recipe(**sections) -> Recipe:
    return Recipe.model_validate({"name": "tale", "model": {"base": "some/base"}, **sections})


def said(p, level: str) -> str:
    return "\n".join(finding.text for finding in p.findings if finding.level == level)


def test_the_guides_numbers_are_the_guides():
    assert VOLUMES == {"style": 80_000_000, "genre": 120_000_000, "author": 200_000_000}
    assert MARK == 500
    assert mark(80_000_000, 7_000_000_000) == pytest.approx(560)
    assert mark(tokens_for_mark(1_300_000_000), 1_300_000_000) == pytest.approx(500)


@pytest.mark.parametrize("objective", sorted(VOLUMES))
def test_too_little_text_for_the_objective_is_a_warning_with_the_share_and_whose_claim_it_is(objective):
    r = recipe(plan={"objective": objective})
    enough = VOLUMES[objective]
    short = said(plan(r, Facts(tokens=enough // 4)), "warn")
    assert "25.0%" in short
    assert "by the field's guide" in short
    assert plan(r, Facts(tokens=enough)).warnings == ()


def test_text_times_size_is_held_against_the_guides_mark():
    below = plan(recipe(), Facts(tokens=70_000_000, shape=SHAPE))
    assert "472" in said(below, "warn")
    assert "74.2 M tokens" in said(below, "warn")
    assert "539" in said(plan(recipe(), Facts(tokens=80_000_000, shape=SHAPE)), "ok")


def test_steps_follow_from_rows_batch_epochs_and_limits():
    r = recipe(train={"global_batch": 8, "micro_batch": 2, "epochs": 3}, scaling={"workers": 2})
    stage = plan(r, Facts(rows={"main": 100})).stages[0]
    assert (stage.steps_per_epoch, stage.steps, stage.accumulation) == (13, 39, 2)
    limited = recipe(train={"global_batch": 8, "epochs": 3, "max_steps": 20})
    assert plan(limited, Facts(rows={"main": 100})).stages[0].steps == 20


def test_each_stage_is_planned_with_its_own_values():
    stages = [{"name": "base", "method": "full"}, {"name": "voice", "epochs": 2}]
    p = plan(recipe(train={"stages": stages}), Facts(rows={"base": 160, "voice": 32}, shape=SHAPE))
    assert [(s.name, s.method, s.steps) for s in p.stages] == [("base", "full", 10), ("voice", "lora", 4)]
    assert p.stages[0].trained == p.parameters
    assert p.stages[1].trained < p.parameters / 50


def test_a_stage_without_rows_or_with_less_than_a_batch_is_a_warning():
    assert "has no rows" in said(plan(recipe(), Facts(rows={"main": 0})), "warn")
    assert "fewer rows (3) than train.global_batch (16)" in said(plan(recipe(), Facts(rows={"main": 3})), "warn")


def test_a_stage_that_ends_before_it_is_validated_is_a_warning():
    assert "before the first validation" in said(plan(recipe(), Facts(rows={"main": 160})), "warn")
    assert "validation" not in said(plan(recipe(), Facts(rows={"main": 1600})), "warn")


def test_what_does_not_fit_says_what_would_help_most():
    full = recipe(train={"method": "full"}, shards={"context": 128})
    p = plan(full, Facts(shape=SHAPE, worker_memory=80 << 30))
    assert "With scaling.offload: optimizer and scaling.zero: 1 it needs about" in said(p, "warn")
    p = plan(full, Facts(shape=SHAPE, worker_memory=48 << 30))
    assert "With train.method: lora it needs about" in said(p, "warn")
    assert "trains something else" in said(p, "warn")
    long = recipe(train={"micro_batch": 16}, shards={"context": 8192})
    assert "train.micro_batch: 1" in said(plan(long, Facts(shape=SHAPE, bf16=True, worker_memory=80 << 30)), "warn")
    lora = recipe(shards={"context": 512})
    assert plan(lora, Facts(shape=SHAPE, bf16=True, worker_memory=80 << 30)).warnings == ()


def test_precision_follows_the_recipe_and_else_the_hardware():
    def weights(precision: str, bf16: bool) -> int:
        return plan(recipe(train={"precision": precision}), Facts(shape=SHAPE, bf16=bf16)).stages[0].memory.weights

    assert weights("auto", True) == weights("bf16", False) == weights("fp32", True) / 2


def test_nothing_is_said_about_what_is_not_known():
    p = plan(recipe(), Facts())
    assert p.findings == ()
    assert p.stages[0].steps is None
    assert "not counted yet" in lines(p)[0]


def test_the_lines_show_every_stage_and_every_finding():
    p = plan(recipe(), Facts(tokens=1_000_000, rows={"main": 900}, shape=SHAPE, worker_memory=80 << 30))
    text = "\n".join(lines(p))
    assert "main: lora" in text
    assert "57 steps" in text
    for finding in p.findings:
        assert finding.text in text
    assert len(lines(p)) == 1 + len(p.stages) + len(p.findings)

"""What a sweep tries and what it hands back: pure functions."""

import math

import pytest

from novelray.recipe import Recipe
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.tune import TuneSection
from novelray.tune.space import Trial, concurrency, share_of_cpus, stage_of_trial, tuned_recipe, winner


def recipe(**train):
    return Recipe.model_validate({"name": "r", "train": {"method": "lora", **train}, "model": {"base": "/a"}})


def trial(loss, **options):
    return Trial({"learning_rate": 1e-4}, loss, 10, False, **options)


def test_a_trial_is_the_stage_with_its_values_at_the_sweeps_length():
    stage = recipe(early_stopping={"patience": 2}, validate_every=100, epochs=1).train.resolved()[0]
    found = stage_of_trial(stage, TuneSection(max_steps=40, grace_steps=10), {"learning_rate": 3e-4, "lora_rank": 64})
    assert (found.learning_rate, found.lora.rank, found.max_steps) == (3e-4, 64, 40)
    assert found.early_stopping is None, "ASHA decides who stops"
    assert found.epochs * 1 >= 40, "few rows must not end a trial before max_steps"
    assert found.validate_every == 10, "ASHA has to see a loss at its first look"
    assert (found.method, found.books, found.global_batch) == (stage.method, stage.books, stage.global_batch)
    full = stage.model_copy(update={"method": "full"})
    assert stage_of_trial(full, TuneSection(), {"learning_rate": 1e-4}).lora == full.lora


@pytest.mark.parametrize(
    ("scaling", "tune", "cpus", "gpus", "expected"),
    [
        ({}, {}, 2, 0, 2),
        ({"workers": 2}, {}, 2, 0, 1),
        ({"workers": 2}, {}, 8, 0, 4),
        ({"workers": 1, "cpus_per_worker": 4}, {}, 8, 0, 2),
        ({"workers": 2}, {}, 64, 8, 4),
        ({"workers": 2, "device": "cpu"}, {"trials": 100}, 64, 8, 32),
        ({}, {"trials": 3}, 64, 0, 3),
        ({}, {"max_concurrent": 2}, 64, 0, 2),
        ({"workers": 4}, {}, 2, 0, 1),
    ],
)
def test_as_many_trials_run_at_once_as_all_their_workers_fit(scaling, tune, cpus, gpus, expected):
    assert concurrency(ScalingSection(**scaling), TuneSection(**tune), cpus, gpus) == expected


def test_trials_at_once_never_ask_for_more_cpus_than_there_are():
    for cpus in range(1, 40):
        for workers in range(1, 5):
            scaling = ScalingSection(workers=workers)
            at_once = concurrency(scaling, TuneSection(trials=16), cpus, 0)
            share = share_of_cpus(scaling, cpus, at_once)
            assert share >= 1
            assert share * workers * at_once <= cpus or (at_once == 1 and workers > cpus)
    assert share_of_cpus(ScalingSection(cpus_per_worker=3), 8, 2) == 3


def test_the_winner_has_the_lowest_loss_and_failed_trials_never_win():
    best = trial(2.5)
    assert winner([trial(3.0), trial(None), best, trial(math.nan), trial(-math.inf)]) is best
    assert winner([trial(0.5), trial(0.0)]).loss == 0.0
    assert winner([trial(None), trial(math.nan)]) is None
    assert winner([]) is None


def test_the_winning_recipe_trains_the_last_stage_with_the_winning_values():
    values = {"learning_rate": 3e-4, "lora_rank": 64}
    (plain,) = tuned_recipe(recipe(), values).train.resolved()
    assert (plain.learning_rate, plain.lora.rank) == (3e-4, 64)
    before = recipe(learning_rate=1e-5, stages=[{"name": "a", "method": "full"}, {"name": "b", "lora": {"alpha": 7}}])
    after = tuned_recipe(before, values)
    first, last = after.train.resolved()
    assert first == before.train.resolved()[0], "the stages before stay as they are"
    assert (last.learning_rate, last.lora.rank, last.lora.alpha) == (3e-4, 64, 7)
    full = tuned_recipe(recipe(method="full"), {"learning_rate": 3e-4}).train.resolved()[0]
    assert full.lora == recipe(method="full").train.resolved()[0].lora


def test_the_winning_recipe_comes_back_from_its_file(tmp_path):
    from novelray.recipe import dump_recipe, load_recipe

    tuned = tuned_recipe(
        recipe(stages=[{"name": "a", "method": "full"}, {"name": "b"}]), {"learning_rate": 3e-4, "lora_rank": 4}
    )
    (tmp_path / "r.yaml").write_text(dump_recipe(tuned))
    assert load_recipe(tmp_path / "r.yaml").train.resolved() == tuned.train.resolved()

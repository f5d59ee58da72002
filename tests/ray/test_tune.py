"""A real sweep: Ray Tune over Ray Train, on a few rows."""

import os
from dataclasses import replace

import pytest
from support import training

from novelray.recipe import load_recipe
from novelray.storage import Artifacts, Store

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RECIPE = """
name: sweep
train: {method: full, global_batch: 8, micro_batch: 4, validate_every: 2}
shards: {context: 64}
tune: {trials: 3, learning_rate: [1.0e-4, 1.0e-2], max_steps: 6, grace_steps: 2}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, ray_session):
    """A finished search, what it said, and where it was run."""
    from novelray.onray.tune import search

    folder = tmp_path_factory.mktemp("sweep")
    (folder / "recipe.yaml").write_text(RECIPE)
    recipe = load_recipe(folder / "recipe.yaml")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder)
    job = replace(job, stage=recipe.train.resolved()[0])
    said: list[str] = []
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield search(recipe, job, said.append), said, folder, recipe, job
    finally:
        os.chdir(before)


def test_every_trial_is_in_the_table_best_first(sweep):
    tuning, said, *_ = sweep
    trials = tuning.read_json("trials.json")
    assert len(trials) == 3
    losses = [float(line.split("loss ")[1].split()[0]) for line in said if line.startswith("tune:  ")]
    assert losses == sorted(losses)
    assert len(losses) == 3
    assert all(1e-4 <= t["values"]["learning_rate"] <= 1e-2 for t in trials)


def test_the_winning_recipe_is_written_and_loads(sweep):
    tuning, _, folder, recipe, _ = sweep
    best = min(tuning.read_json("trials.json"), key=lambda t: t["loss"])
    tuned = load_recipe(folder / "sweep-tuned.yaml")
    assert tuned.train.resolved()[0].learning_rate == pytest.approx(best["values"]["learning_rate"])
    assert tuned.shards == recipe.shards


def test_no_more_trials_run_at_once_than_the_cluster_has_room_for(sweep):
    _, said, *_ = sweep
    assert any("3 trials of up to 6 steps, 2 at once" in line for line in said)


def test_a_search_that_is_done_is_not_done_again(sweep):
    from novelray.onray.tune import search

    tuning, _, _, recipe, job = sweep
    said: list[str] = []
    assert search(recipe, job, said.append).id == tuning.id
    assert "nothing changed" in said[0]


def test_what_trials_held_is_free_afterwards(sweep):
    import time

    import ray

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and ray.available_resources().get("CPU", 0) < 2:
        time.sleep(0.5)
    assert ray.available_resources()["CPU"] == 2

"""Every method on every number of workers and ZeRO stage that the compatibility table allows: the loss is the same."""

from dataclasses import replace

import pytest
import torch
from support import methods, training
from support.methods import METHODS

from novelray.recipe import Recipe
from novelray.recipe.compatibility import broken_rules
from novelray.recipe.scaling import ScalingSection

ALONE = [name for name in METHODS if name not in ("rslora", "lora+")]  # these two are part of "all of lora"
GRID = [(name, workers, zero) for name in ALONE for workers in (1, 2) for zero in (0, 1, 2, 3)]


def recipe(name, workers, zero):
    """The combination as a recipe, unchecked."""
    whole = Recipe.model_validate({"name": "grid", "model": {"base": "some/base"}, "train": {"method": "full"}})
    train = type(whole.train).model_validate({"global_batch": 4, "micro_batch": 2, **METHODS[name]})
    return whole.model_copy(update={"train": train, "scaling": ScalingSection(workers=workers, zero=zero)})


ALLOWED = [point for point in GRID if not broken_rules(recipe(*point))]


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    """point → its run. Those with as many workers share processes, which take longer to start than to train."""
    common = replace(methods.tiny_base(tmp_path_factory.mktemp("grid")), checkpoint_every=4, export=False)
    jobs = {
        (name, workers, zero): methods.of(
            common, name, f" {workers} {zero}", scaling=ScalingSection(workers=workers, zero=zero)
        )
        for name, workers, zero in ALLOWED
    }
    training.run_here(*(job for point, job in jobs.items() if point[1] == 1))
    torn = torn_job(common)
    torn.artifacts.store.write(torn.cancel_marker, b"{}")
    assert 0 not in training.run(*(job for point, job in jobs.items() if point[1] == 2), torn, world=2)
    return jobs


def torn_job(common):
    """A run that the grid's two workers are told to stop after the second of its steps."""
    scaling, telemetry = ScalingSection(workers=2, zero=2), common.telemetry.model_copy(update={"log_every": 100})
    return methods.of(common, "all of lora", " torn", scaling=scaling, checkpoint_every=2, telemetry=telemetry)


def test_the_grid_leaves_out_what_the_table_refuses_and_nothing_else():
    refused = set(GRID) - set(ALLOWED)
    assert refused == {point for point in GRID if point[2] == 3 and METHODS[point[0]]["method"] != "full"}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "workers", "zero"), ALLOWED)
def test_workers_and_zero_stage_change_the_loss_by_rounding_alone(name, workers, zero, grid):
    job, plain = grid[name, workers, zero], grid[name, 1, 0]
    assert len(training.losses(job)) == 4
    assert training.losses(job) == pytest.approx(training.losses(plain), abs=1e-4)
    found, expected = (training.progress(j)["validation_loss"] for j in (job, plain))
    assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.slow
def test_a_run_that_two_workers_began_is_ended_by_one_with_the_same_numbers(grid):
    from novelray.checkpoints.commit import latest

    whole = grid["all of lora", 1, 0]
    torn = torn_job(whole)
    assert latest(torn.artifacts.store, torn.run).step == 2
    torn.artifacts.store.delete(torn.cancel_marker)
    training.run_here(replace(torn, scaling=ScalingSection()))
    commits = [dict(latest(job.artifacts.store, job.run).tensors()) for job in (torn, whole)]
    assert latest(torn.artifacts.store, torn.run).step == 4
    assert training.progress(torn)["validation_loss"] == pytest.approx(
        training.progress(whole)["validation_loss"], abs=1e-4
    )
    assert commits[0].keys() == commits[1].keys()
    initial = [name for name in commits[0] if name.startswith("init/")]
    assert initial
    assert all(torch.equal(commits[0][name], commits[1][name]) for name in initial)

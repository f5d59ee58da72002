"""A loss that is no number: the batch is kept, the run goes back to its last commit and on more slowly; once.

The losses are really no numbers: a learning rate that no weight survives.
"""

from __future__ import annotations

import gc
import json
import math

import pytest
import torch
from safetensors.numpy import load
from support import families, training

from novelray.checkpoints.commit import commits
from novelray.errors import TrainError
from novelray.recipe.scaling import ScalingSection
from novelray.shards.order import RowOrder
from novelray.shards.rows import open_rows
from novelray.storage import Artifacts, Store
from novelray.telemetry.journal import read_journal
from novelray.train import loop
from novelray.train.divergence import DivergedError, Trail

FATAL = 1e12
SHORT = {"max_steps": 3}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("diverging")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder)
    return training.variant(job, "base", source=f"folder:{families.tiny_folder('llama', folder / 'base')}")


def fatal(job, name, factor, **changes):
    stage = job.stage.model_copy(update={**SHORT, "learning_rate": FATAL, "rollback_factor": factor})
    return training.variant(job, name, stage=stage, **{"checkpoint_every": 100, **changes})


def rollbacks(job):
    return [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "rollback"]


def kept(job, step):
    folder, read = f"{job.run}/bad/step-{step:08d}", job.artifacts.store.read
    return json.loads(read(f"{folder}/batch.json")), load(read(f"{folder}/batch.safetensors"))


@pytest.fixture
def spike(monkeypatch):
    """A learning rate that is fatal in the fifth step and only there."""
    real = loop.learning_rate
    monkeypatch.setattr(loop, "learning_rate", lambda s, step, n: 1e30 if step == 4 else real(s, step, n))


@pytest.mark.slow
def test_a_run_goes_back_to_its_last_commit_and_ends_with_a_lower_rate(base, spike):
    job = training.variant(base, "spike", stage=base.stage.model_copy(update={"rollback_factor": 1e-30}))
    training.run_here(job)
    (back,) = rollbacks(job)
    assert (back["step"], back["to_step"], back["factor"]) == (6, 4, 1e-30)
    events = read_journal(job.artifacts.store, job.run)
    assert [e["from_step"] for e in events if e["kind"] == "start"] == [0, 4]
    rates = {e["step"]: e["learning_rate"] for e in events if e["kind"] == "train"}
    assert rates[4] > 1e-5
    assert rates[5] == pytest.approx(1.0)
    assert rates[6] < 1e-30
    assert all(math.isfinite(loss) for loss in training.losses(job))


def test_before_any_commit_a_run_starts_anew_from_its_base_with_a_lower_rate(base):
    slower = training.variant(base, "slower", stage=base.stage.model_copy(update={**SHORT, "learning_rate": 1e-3}))
    job = fatal(base, "anew", 1e-15)
    training.run_here(slower, job)
    assert rollbacks(job)[0]["to_step"] == 0
    assert training.losses(job) == training.losses(slower)
    for name, weight in training.weights(slower).items():
        assert torch.equal(training.weights(job)[name], weight)


def test_the_second_time_the_run_stops_with_the_batch_named_and_kept(base):
    job = fatal(base, "stops", 0.5, checkpoint_every=1)
    with pytest.raises(TrainError) as caught:
        training.run_here(job)
    assert f"{job.run}/bad/step-00000002" in caught.value.message
    assert "step 2 to step 1" in caught.value.message
    assert "train.learning_rate (now 1e+12)" in caught.value.hint
    about, arrays = kept(job, 2)
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    numbers = RowOrder(len(rows), job.stage.global_batch, job.seed).batch(0, 1)
    assert [row["row"] for row in about["rows"]] == numbers.tolist() == arrays["rows"].tolist()
    assert (arrays["input_ids"] == rows.batch(numbers).input_ids).all()
    assert about["rows"][0]["chapters"] == rows.chapters(int(numbers[0]))
    assert [c.step for c in commits(job.artifacts.store, job.run)] == [1]  # what was good is still there

    with pytest.raises(TrainError, match="had gone back"):  # a resume knows that it was the second time
        training.run_here(job)
    assert len(rollbacks(job)) == 1


@pytest.mark.slow
def test_the_memory_of_the_broken_engine_is_free_before_another_is_built(base, monkeypatch):
    from deepspeed.runtime.engine import DeepSpeedEngine

    from novelray.train import setup

    gc.collect()
    real, alive = setup.prepare, []

    def engines():
        return {id(x) for x in gc.get_objects() if isinstance(x, DeepSpeedEngine)}

    before = engines()

    def prepare(*arguments):
        alive.append(len(engines() - before))
        return real(*arguments)

    monkeypatch.setattr(setup, "prepare", prepare)
    training.run_here(fatal(base, "freed", 1e-15, scaling=ScalingSection(zero=2)))
    assert alive == [0, 0]


@pytest.mark.slow
def test_all_workers_go_back_together(base):
    two = {"scaling": ScalingSection(workers=2, zero=2)}
    slower = training.variant(
        base, "slower two", stage=base.stage.model_copy(update={**SHORT, "learning_rate": 1e-3}), **two
    )
    job = fatal(base, "two", 1e-15, **two)
    stops = fatal(base, "two stop", 0.5, checkpoint_every=1, **two)
    assert training.run(slower, job, stops, world=2) == [1, 1]
    assert rollbacks(job)[0]["to_step"] == 0
    assert training.losses(job) == training.losses(slower)
    assert len(rollbacks(stops)) == 1
    assert kept(stops, 2)[0]["step"] == 2


def test_the_first_bad_step_is_named_whenever_one_looks():
    trail = Trail("cpu")
    for step, loss in enumerate([4.0, 2.0, math.inf, math.nan], start=1):
        trail.add(step, 2, torch.tensor(loss), 1.0)
    with pytest.raises(DivergedError, match="inf at step 3"):
        trail.look([])


def test_a_gradient_that_is_no_number_is_named_before_the_loss_that_follows_from_it():
    trail = Trail("cpu")
    trail.add(1, 2, torch.tensor(4.0), torch.tensor(math.nan))
    trail.add(2, 2, torch.tensor(math.nan), torch.tensor(math.nan))
    with pytest.raises(DivergedError, match="gradient is not finite at step 1"):
        trail.look([])


def test_a_look_gives_the_last_mean_and_forgets_what_was_seen():
    trail = Trail("cpu")
    trail.add(1, 2, torch.tensor(4.0), None)
    trail.add(2, 4, torch.tensor(4.0), None)
    assert trail.look([1.0, torch.tensor(2.0)]) == (1.0, [1.0, 2.0])
    trail.add(3, 1, torch.tensor(3.0), None)
    assert trail.look([]) == (3.0, [])


def test_no_step_waits_for_the_device():
    """What is kept of a step are the tensors themselves: reading a number from one would wait for it."""
    trail = Trail("meta")
    trail.add(1, 2, torch.empty((), device="meta"), torch.empty((), device="meta"))
    assert trail._losses[0].is_meta

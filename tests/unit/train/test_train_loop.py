"""What the loop decides: when it validates, commits, stops. The steps themselves are scripted; storage is real."""

import math
from types import SimpleNamespace

import pytest
import torch

from novelray.checkpoints.commit import best, commits
from novelray.errors import CancelledError
from novelray.recipe.model import ModelSection
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.telemetry import TelemetrySection
from novelray.recipe.train import StageSection
from novelray.storage import Plan
from novelray.train import loop
from novelray.train.divergence import DivergedError
from novelray.train.job import Job, Place

PLAN = Plan("model", 1, section={"test": 1})
RUN = f"runs/{PLAN.id}"
GOOD = {"weight/w": torch.ones(2)}


@pytest.fixture
def scripted(artifacts, monkeypatch):
    """Run a loop: `losses(step)`, `held_out(step)` and `weights(step)` say what each step gives. Returns the job."""

    def run(steps, losses=lambda s: 1.0, held_out=lambda s: None, weights=lambda s: GOOD, asked=False, **stage):
        options = {"checkpoint_every": 2, "log_every": 1, **stage}
        every, log_every = options.pop("checkpoint_every"), options.pop("log_every")
        section = StageSection.model_validate({"name": "main", "validate_every": 3, "global_batch": 1, **options})
        job = Job(
            plan=PLAN, artifacts=artifacts, stage=section, scaling=ScalingSection(),
            model=ModelSection(), telemetry=TelemetrySection(log_every=log_every), seed=1, source="scratch:nano",
            shards="", tokenizer="", context=16, position_limit=16, checkpoint_every=every, keep_checkpoints=100,
        )  # fmt: skip
        engine = SimpleNamespace(train=lambda: None)
        ready = SimpleNamespace(
            engine=engine, parameters={}, initial={}, heldout=None, steps=steps, start=0, resumed=None,
            penalty=None, rollback=None, order=SimpleNamespace(steps_per_epoch=1000),
            tasks=SimpleNamespace(heldout_figures={}),
        )  # fmt: skip
        one = loop.Loop(job, Place(), ready, None, lambda metrics: None)
        one._step = lambda step: (1, torch.tensor(losses(step + 1)))
        monkeypatch.setattr(loop, "validation_loss", lambda *args: held_out(one.progress.step))
        monkeypatch.setattr(loop, "snapshot", lambda *args: weights(one.progress.step))
        if asked:
            artifacts.store.write(job.cancel_marker, b"{}")
        try:
            one.run()
        finally:
            one.committer.wait()
        return job

    return run


def committed(artifacts):
    """step → the validation loss that its commit states."""
    return {c.step: c.state["validation_loss"] for c in commits(artifacts.store, RUN)}


def test_commits_come_when_due_when_better_and_at_the_end(scripted, artifacts):
    scripted(9, held_out=lambda s: 10.0 - s, checkpoint_every=4)
    assert sorted(committed(artifacts)) == [3, 4, 6, 8, 9]


def test_a_commit_states_the_validation_loss_of_its_own_step_or_none(scripted, artifacts):
    scripted(9, held_out=lambda s: {3: 5.0, 6: 7.0, 9: 6.0}[s], checkpoint_every=4)
    assert committed(artifacts) == {3: 5.0, 4: None, 8: None, 9: 6.0}
    assert best(artifacts.store, RUN).step == 3


def test_a_loss_that_is_no_number_is_found_before_a_commit_and_named_exactly_however_seldom_it_is_logged(
    scripted, artifacts
):
    with pytest.raises(DivergedError, match="loss is nan at step 7") as caught:
        scripted(9, losses=lambda s: math.nan if s == 7 else 1.0, log_every=1000)
    assert caught.value.step == 7
    assert sorted(committed(artifacts)) == [2, 4, 6]


def test_weights_that_are_no_numbers_are_never_committed(scripted, artifacts):
    broken = {"weight/w": torch.tensor([1.0, math.inf])}
    with pytest.raises(DivergedError, match="not finite after step 4"):
        scripted(9, weights=lambda s: broken if s >= 4 else GOOD)
    assert sorted(committed(artifacts)) == [2]


def test_a_held_out_loss_that_is_no_number_stops_the_run(scripted, artifacts):
    with pytest.raises(DivergedError, match="held-out loss is nan at step 3"):
        scripted(9, held_out=lambda s: math.nan)


def test_early_stopping_ends_after_so_many_validations_without_improvement(scripted, artifacts):
    held_out = {3: 5.0, 6: 4.0, 9: 4.0, 12: 4.5}
    scripted(30, held_out=held_out.get, early_stopping={"patience": 2}, checkpoint_every=100)
    assert committed(artifacts) == {3: 5.0, 6: 4.0, 12: 4.5}
    assert best(artifacts.store, RUN).step == 6


def test_an_improvement_below_the_threshold_is_none(scripted, artifacts):
    held_out = {3: 5.0, 6: 4.95, 9: 4.9}
    scripted(30, held_out=held_out.get, early_stopping={"patience": 2, "min_delta": 0.2}, checkpoint_every=100)
    assert sorted(committed(artifacts)) == [3, 9]


def test_small_falls_add_up_to_an_improvement(scripted, artifacts):
    held_out = {3: 5.0, 6: 4.9, 9: 4.75, 12: 4.74, 15: 4.73}
    scripted(30, held_out=held_out.get, early_stopping={"patience": 2, "min_delta": 0.2}, checkpoint_every=100)
    assert sorted(committed(artifacts)) == [3, 9, 15]


def test_a_cancelled_run_commits_the_step_it_stops_at(scripted, artifacts):
    with pytest.raises(CancelledError, match="at step 1"):
        scripted(9, asked=True)
    assert sorted(committed(artifacts)) == [1]


def test_a_storage_that_hiccups_when_asked_for_a_cancel_does_not_end_the_run(scripted, artifacts, monkeypatch):
    from novelray.errors import StorageError
    from novelray.storage import Store

    real = Store.exists

    def exists(store, path):
        if path.endswith("/cancel"):
            raise StorageError("The network is away.")
        return real(store, path)

    monkeypatch.setattr(Store, "exists", exists)
    scripted(4)
    assert 4 in committed(artifacts)

"""Workers are killed, runs cancelled and bad values given, under Ray Train: what goes on, what stops, and how."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
import yaml
from support import training

from novelray.checkpoints.commit import commits, latest
from novelray.errors import EXIT_CANCELLED, CancelledError, GaveUpError, TrainError
from novelray.onray.train import train
from novelray.recipe.scaling import ScalingSection
from novelray.storage import Artifacts, Store
from novelray.telemetry.control import request_cancel
from novelray.telemetry.journal import read_journal

pytestmark = [pytest.mark.ray, pytest.mark.slow]
STEPS = 40


@pytest.fixture(scope="module")
def undisturbed(ray_session, tmp_path_factory):
    """A run that nobody touches."""
    folder = tmp_path_factory.mktemp("train-on-ray")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, max_steps=STEPS, validate_every=20)
    job = replace(job, telemetry=job.telemetry.model_copy(update={"flush_s": 0.02}))
    train(job, print)
    return job


@pytest.fixture
def background():
    """Calls `train` in a thread. Returns the future and the lines that it said."""
    with ThreadPoolExecutor(2) as pool:

        def start(job) -> tuple[Future, list[str]]:
            lines: list[str] = []
            return pool.submit(train, job, lines.append), lines

        yield start


def journal(job):
    return read_journal(job.artifacts.store, job.run)


def starts(job):
    return [e["from_step"] for e in journal(job) if e["kind"] == "start"]


def at_step(job, step, future, timeout_s=120):
    """Wait until the journal has reached a step."""
    end = time.monotonic() + timeout_s
    while not any(e["kind"] == "train" and e["step"] >= step for e in journal(job)):
        assert not future.done(), future.exception()
        assert time.monotonic() < end, "no news"
        time.sleep(0.01)


def kill_rank_0(job):
    """SIGKILL the worker that writes the newest journal file, which has its process in the name."""
    newest = max(job.artifacts.store.files(f"{job.run}/journal"), key=lambda e: e.modified)
    os.kill(int(newest.path.rpartition("/")[2].split("-")[1]), signal.SIGKILL)


def assert_same_end(job, reference):
    assert training.losses(job) == training.losses(reference)
    ours, theirs = training.weights(job), training.weights(reference)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_a_killed_worker_is_replaced_and_the_run_goes_on_from_the_last_commit(undisturbed, background):
    job = training.variant(undisturbed, "killed")
    future, lines = background(job)
    at_step(job, 8, future)
    kill_rank_0(job)
    assert future.result(120).id == job.plan.id
    assert [line for line in lines if "Going on from the last commit (1 of 3)" in line], lines
    first, second = starts(job)
    assert (first, second >= 6) == (0, True), "no more may be lost than the steps since the last commit"
    assert_same_end(job, undisturbed)
    assert not job.artifacts.store.files(f"{job.run}/ray"), "Ray's own state of an attempt is of no use to the next"


def test_a_run_that_gave_up_and_one_that_was_cancelled_go_on_later(undisturbed, background):
    job = training.variant(undisturbed, "gave up", scaling=ScalingSection(retries=0))
    future, lines = background(job)
    at_step(job, 4, future)
    kill_rank_0(job)
    with pytest.raises(GaveUpError, match=r"'main' failed 1 times; last: a worker was lost \(\w+Error:"):
        future.result(60)
    assert not [line for line in lines if "Going on" in line]
    committed = latest(job.artifacts.store, job.run).step

    future, _ = background(job)
    at_step(job, committed + 3, future)
    request_cancel(job.artifacts.store, job.run)
    with pytest.raises(CancelledError, match=r"at step \d+") as caught:
        future.result(60)
    assert caught.value.exit_code == EXIT_CANCELLED
    stopped = latest(job.artifacts.store, job.run).step
    assert f"at step {stopped}." in caught.value.message, "the step where it stopped is committed"
    assert job.artifacts.find(job.plan.id) is None

    train(job, print)
    assert starts(job) == [0, committed, stopped]
    assert_same_end(job, undisturbed)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_only_the_user_can_mend_is_raised_at_once(undisturbed, workers):
    lines: list[str] = []
    scaling = ScalingSection(workers=workers)
    job = training.variant(undisturbed, f"too long {workers}", position_limit=32, scaling=scaling)
    with pytest.raises(TrainError, match="64 tokens and the base model reads 32"):
        train(job, lines.append)
    assert lines == [], "nothing is tried again"


def test_a_loss_that_is_no_number_stops_the_run_and_is_never_committed(undisturbed):
    lines: list[str] = []
    stage = undisturbed.stage.model_copy(update={"learning_rate": 1e18, "warmup": 0.0})
    # Seldom looked at, so that it is the commit that has to notice.
    quiet = undisturbed.telemetry.model_copy(update={"log_every": 1000})
    job = training.variant(undisturbed, "diverges", stage=stage, telemetry=quiet, checkpoint_every=1)
    with pytest.raises(TrainError) as caught:
        train(job, lines.append)
    assert "1e+18" in caught.value.hint
    assert lines == []
    for commit in commits(job.artifacts.store, job.run):
        assert all(bool(t.isfinite().all()) for _, t in commit.tensors())
    assert job.artifacts.find(job.plan.id) is None


def novelray(*arguments, home):
    """A command of its own, in a process group of its own, as a shell starts it."""
    environment = {k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | {"NOVELRAY_HOME": str(home)}
    command = [sys.executable, "-m", "novelray.cli.main", *map(str, arguments)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, env=environment, start_new_session=True, **pipes)


def test_ctrl_c_commits_and_the_same_command_goes_on(samples, tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump({
        "name": "cut-short", "storage": {"root": "data"}, "corpus": {"books": [str(samples / "zh" / "听冰.txt")]},
        "shards": {"context": 64, "tokenizer": "train", "vocab_size": 600}, "model": {"base": "scratch:nano"},
        "train": {"method": "full", "max_steps": 150, "epochs": 1000, "global_batch": 8, "checkpoint_every": 1000,
                  "validate_every": 1000}, "telemetry": {"flush_s": 0.02},
    }))  # fmt: skip
    store = Store(str(tmp_path / "data"))

    def events():
        return [e for run in store.folders("runs") for e in read_journal(store, f"runs/{run}")]

    running = novelray("train", recipe, home=tmp_path)
    try:
        end = time.monotonic() + 120
        while not any(e["kind"] == "train" and e["step"] >= 5 for e in events()):
            assert running.poll() is None, running.communicate()
            assert time.monotonic() < end
            time.sleep(0.02)
        os.killpg(running.pid, signal.SIGINT)  # a terminal sends it to the whole group
        out, err = running.communicate(timeout=60)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == EXIT_CANCELLED, err
    assert "committing, then stopping" in out
    assert "Traceback" not in out + err
    (run,) = store.folders("runs")
    stopped = latest(store, f"runs/{run}").step
    assert 5 <= stopped < 150
    assert f"Cancelled at step {stopped}" in err

    again = novelray("train", recipe, home=tmp_path)
    out, err = again.communicate(timeout=180)
    assert again.returncode == 0, err
    assert [e["from_step"] for e in events() if e["kind"] == "start"] == [0, stopped]
    assert "full to step 150" in out

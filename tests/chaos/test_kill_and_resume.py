"""Real processes are killed and real files damaged; the run goes on and ends where it would have ended."""

import os
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import training

from novelray.recipe.scaling import ScalingSection
from novelray.storage import Artifacts, Store
from novelray.telemetry.journal import read_journal

pytestmark = pytest.mark.slow
STEPS = 24


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A run that nobody touches."""
    folder = tmp_path_factory.mktemp("chaos")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, max_steps=STEPS)
    assert training.run(job) == [0]
    return job


def assert_same_weights(job, reference):
    ours, theirs = training.weights(job), training.weights(reference)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def kill_at(job, step, world=1):
    """Start the run and SIGKILL every worker once the journal has reached a step."""
    workers = training.start(job, world=world)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(e.get("step", 0) >= step for e in read_journal(job.artifacts.store, job.run)):
            break
        assert workers[0].is_alive(), "ended before it could be killed"
        time.sleep(0.01)
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    for worker in workers:
        worker.join()
    assert job.artifacts.find(job.plan.id) is None


def test_a_run_killed_at_a_random_step_ends_with_the_same_weights_bit_for_bit(undisturbed):
    step = random.Random().randrange(2, STEPS - 6)
    job = training.variant(undisturbed, f"killed at {step}")
    kill_at(job, step)
    assert training.run(job, attempt="b") == [0]
    starts = [e["from_step"] for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "start"]
    assert len(starts) == 2, starts
    assert starts[1] >= step - 2, "more was lost than the steps since the last commit"
    assert_same_weights(job, undisturbed)
    assert training.losses(job) == training.losses(undisturbed)


def test_a_run_goes_on_with_another_number_of_workers_and_zero_stage(undisturbed):
    job = training.variant(undisturbed, "two to one")
    kill_at(training.variant(undisturbed, "two to one", scaling=ScalingSection(workers=2, zero=2)), 8, world=2)
    assert training.run(job, attempt="b") == [0]
    assert training.losses(job) == pytest.approx(training.losses(undisturbed), abs=1e-4)


@pytest.fixture(scope="module")
def killed(undisturbed):
    """A run that was killed after some commits."""
    job = training.variant(undisturbed, "damage")
    kill_at(job, 10)
    return job


@pytest.mark.parametrize("damage", ["truncated", "bit flipped", "part missing", "manifest torn", "manifest missing"])
def test_a_damaged_checkpoint_is_skipped_for_the_one_before(killed, undisturbed, damage, tmp_path):
    shutil.copytree(killed.artifacts.store.base, tmp_path / "store")
    job = replace(killed, artifacts=Artifacts(Store(str(tmp_path / "store"))))
    newest = sorted(Path(job.artifacts.store.full(f"{job.run}/checkpoints")).glob("step-*/manifest.json"))[-1].parent
    before = int(newest.name.split("-")[1])
    hurt(newest, damage)
    assert training.run(job, attempt="b") == [0]
    events = read_journal(job.artifacts.store, job.run)
    resumed = [e["from_step"] for e in events if e["kind"] == "start"][-1]
    assert 0 < resumed < before
    if "manifest" not in damage:
        assert any(newest.name in e["text"] for e in events if e["kind"] == "warning")
    assert_same_weights(job, undisturbed)


def hurt(folder: Path, damage: str) -> None:
    part = next(folder.glob("*.safetensors"))
    if damage == "truncated":
        os.truncate(part, part.stat().st_size // 2)
    elif damage == "bit flipped":
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 1
        part.write_bytes(data)
    elif damage == "part missing":
        part.unlink()
    elif damage == "manifest torn":
        manifest = folder / "manifest.json"
        manifest.write_bytes(manifest.read_bytes()[:40])
    else:
        (folder / "manifest.json").unlink()


def test_a_cancelled_run_commits_and_goes_on_later(undisturbed):
    job = training.variant(undisturbed, "cancelled")
    workers = training.start(job)
    while not any(e["kind"] == "train" for e in read_journal(job.artifacts.store, job.run)):
        time.sleep(0.01)
    job.artifacts.store.write(job.cancel_marker, b"{}")
    workers[0].join(timeout=120)
    events = read_journal(job.artifacts.store, job.run)
    assert [e["kind"] for e in events][-1] == "cancelled"
    assert job.artifacts.find(job.plan.id) is None
    job.artifacts.store.delete(job.cancel_marker)
    assert training.run(job, attempt="b") == [0]
    assert_same_weights(job, undisturbed)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_during_a_save_loses_nothing_that_was_committed(undisturbed, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    assert os.system(f"mount -t tmpfs -o size=64m tmpfs {disk}") == 0
    try:
        job = training.tiny_job(Artifacts(Store(str(disk / "store"))), tmp_path, max_steps=STEPS)
        kill_at(job, 6)
        filler = disk / "filler"
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(b"0" * (free - (8 << 20)))
        assert training.run(job, attempt="b") != [0]
        filler.unlink()
        assert training.run(job, attempt="c") == [0]
        assert training.losses(job) == training.losses(undisturbed)
    finally:
        os.system(f"umount {disk}")

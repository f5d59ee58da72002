"""An audit of a real training with a curriculum and replay: which rows of which chapters were trained on, when.

What the workers computed is written down as it happens, and held against the schedule, the journal and the audit.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from support import training

from novelray.recipe.scaling import ScalingSection
from novelray.shards.difficulty import DIFFICULTY_FILE, difficulty_bytes, row_difficulty
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.rows import open_rows
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts, Plan, Store
from novelray.telemetry.journal import read_journal
from novelray.train import loop
from novelray.train.audit import audit, unlike
from novelray.train.order import training_rows

CHAPTERS = 9
EASY = [1.0, 1.0, 0.6, 0.2]
STAGE = {
    "epochs": 4, "max_steps": None, "global_batch": 8, "micro_batch": 4, "validate_every": 100, "warmup": 0.1,
    "curriculum": {"schedule": [{"epoch": 2, "easy": 1}, {"epoch": 4, "easy": 0.2}]}, "continual": {"replay": 0.25},
}  # fmt: skip


def make_job(folder):
    """A stage over the chapters book:0 to book:8, which get harder in that order, and the old ones old:0 and old:1."""
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, **STAGE)
    shards, old = (shards_of(job, book, count) for book, count in (("book", CHAPTERS), ("old", 2)))
    values = row_difficulty(open_rows(shards.local(), "train"), {f"book:{i}": float(i) for i in range(CHAPTERS)})
    draft = job.artifacts.begin(Plan("difficulty", 1, {"shards": shards.id}))
    draft.write(DIFFICULTY_FILE, difficulty_bytes(values))
    return replace(job, shards=shards.id, difficulty=draft.commit().id, old_shards=(old.id,))


def shards_of(job, book, count):
    tokenizer = load_tokenizer(job.artifacts.get(job.tokenizer.partition(":")[2]).local())
    ids = [f"{book}:{i}" for i in range(count)]
    data, _ = make_shard(ids, training.stories(count, 9), Encoder.of(tokenizer), job.context)
    draft = job.artifacts.begin(Plan("shards", 1, section={"book": book}))
    draft.write("train/rows-00000.arrow", data)
    return draft.commit()


class Watch:
    """Writes down every micro-batch of training rows that is computed, and can end the run as a crash would."""

    def __init__(self, patch):
        self.seen, self.crash_at = [], None
        real = loop.on_device

        def on_device(rows, indices, device):
            if rows.files[0].parent.name == "train":
                if len(self.seen) == self.crash_at:
                    raise KeyboardInterrupt
                self.seen.append(indices.tolist())
            return real(rows, indices, device)

        patch.setattr(loop, "on_device", on_device)

    def take(self):
        seen, self.seen = self.seen, []
        return seen


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(job, what it computed: a list of row numbers per step)"""
    job = make_job(tmp_path_factory.mktemp("audit"))
    with pytest.MonkeyPatch.context() as patch:
        watch = Watch(patch)
        training.run_here(job)
        micro = watch.take()
    return job, grouped(micro, 2)


def grouped(lists, many):
    """Every so many lists as one."""
    return [[row for part in lists[i : i + many] for row in part] for i in range(0, len(lists), many)]


def by_epoch(job, steps):
    """Row numbers of each epoch, from what was computed."""
    _, order = training_rows(job)
    length = order.steps_per_epoch
    return [[row for row in rows if row >= 0] for rows in grouped(steps, length)]


def test_what_was_computed_is_what_the_order_says_and_the_journal_has_its_fingerprint(trained):
    job, steps = trained
    _, order = training_rows(job)
    assert len(steps) == 4 * order.steps_per_epoch
    assert steps == [order.at(step).tolist() for step in range(len(steps))]
    logged = [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]
    assert len(logged) == len(steps)
    assert unlike(job) == []


def test_each_epoch_has_the_share_of_easy_rows_that_its_schedule_says_and_every_batch_its_old_rows(trained):
    job, steps = trained
    rows, order = training_rows(job)
    new = len(rows) - order.old_rows
    easy = set(order.new.bands[0].tolist())
    for share, seen in zip(EASY, by_epoch(job, steps), strict=True):
        fresh = [row for row in seen if row < new]
        assert len(fresh) == new
        assert abs(sum(row in easy for row in fresh) - share * new) <= 0.5
    full = [step for step in steps if -1 not in step]
    assert len(full) >= len(steps) - 4
    assert all(sum(row >= new for row in step) == 2 for step in full)


def test_hard_chapters_wait_until_their_epoch_and_rows_not_yet_used_come_first(trained):
    job, steps = trained
    rows, order = training_rows(job)
    new = len(rows) - order.old_rows
    epochs = by_epoch(job, steps)
    first = {c for row in epochs[0] + epochs[1] if row < new for c in rows.chapters(row)}
    third = {c for row in epochs[2] if row < new for c in rows.chapters(row)}
    assert first <= {f"book:{i}" for i in range(6)}
    assert third >= {f"book:{i}" for i in range(6, 9)}
    for kind in (*order.new.bands, np.arange(new, len(rows))):
        times = Counter(row for seen in epochs for row in seen if row in set(kind.tolist()))
        assert max(times.values()) - min(times[row] for row in kind.tolist()) <= 1


def test_the_audit_tells_what_was_computed(trained):
    job, steps = trained
    rows, order = training_rows(job)
    found = list(audit(job))
    assert [e.rows.tolist() for e in found] == by_epoch(job, steps)
    assert [e.number for e in found] == [1, 2, 3, 4]
    new = len(rows) - order.old_rows
    assert [e.bands[0] for e in found] == [round(share * new) for share in EASY]
    assert [sum(e.bands) for e in found] == [new] * 4
    assert all(e.old == len(e.rows) - new for e in found)
    assert found[0].chapters["book:8"] == 0 < found[3].chapters["book:8"]
    assert sum(e.steps for e in audit(job, steps=5)) == 5


def test_the_audit_finds_a_step_that_was_trained_on_other_rows(trained):
    job, _ = trained
    other = replace(job, seed=job.seed + 1)
    assert len(unlike(other)) == len([e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"])


def test_the_journal_says_how_many_old_rows_there_are(trained):
    job, _ = trained
    rows, order = training_rows(job)
    start = next(e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "start")
    assert (start["rows"], start["old_rows"]) == (len(rows) - order.old_rows, order.old_rows)


@pytest.mark.slow
def test_a_run_with_a_curriculum_and_replay_resumes_bit_for_bit_on_the_rows_that_were_left(trained, monkeypatch):
    job, steps = trained
    again = training.variant(job, "crashed")
    watch = Watch(monkeypatch)
    watch.crash_at = 2 * 11 + 1  # within the 12th step; the commit before it is that of step 10
    with pytest.raises(KeyboardInterrupt):
        training.run_here(again)
    watch.take()
    watch.crash_at = None
    training.run_here(again)
    micro = watch.take()
    assert grouped(micro, 2) == steps[10:]
    assert unlike(again) == []
    ours, theirs = training.weights(again), training.weights(job)
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.slow
def test_two_workers_train_on_the_same_rows_at_the_same_steps(trained):
    job, _ = trained
    wide = training.variant(job, "two workers", scaling=ScalingSection(workers=2, zero=1))
    assert training.run(wide, world=2) == [0, 0]
    assert unlike(wide) == []
    assert training.losses(wide) == pytest.approx(training.losses(job), abs=1e-4)

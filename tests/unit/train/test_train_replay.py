"""Replay: the share of old rows in every batch, each old row once before any comes again, new rows as without it."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import training

from novelray.errors import TrainError
from novelray.recipe.continual import ContinualSection
from novelray.shards import RowOrder, share
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.rows import open_rows
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Plan
from novelray.train.order import training_rows
from novelray.train.replay import ReplayOrder

counts = st.integers(5, 60)


def orders(new, old, fresh, replayed, seed=3):
    return ReplayOrder(RowOrder(new, fresh, seed), old, new, replayed, seed)


def batches(order, epochs=1):
    return [order.at(step) for step in range(epochs * order.steps_per_epoch)]


@given(counts, counts, st.integers(4, 16), st.integers(1, 16))
@settings(max_examples=30, deadline=None)
def test_with_replay_every_new_row_still_comes_once_per_epoch(new, old, fresh, replayed):
    order = orders(new, old, fresh, replayed)
    for epoch in range(2):
        seen = np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)])
        assert sorted(seen[(seen >= 0) & (seen < new)]) == list(range(new))
    assert order.steps_per_epoch == RowOrder(new, fresh, 0).steps_per_epoch
    assert order.rows == (seen >= 0).sum()


@given(counts, counts, st.integers(4, 16), st.integers(1, 16))
@settings(max_examples=30, deadline=None)
def test_every_old_row_comes_once_before_any_comes_again(new, old, fresh, replayed):
    seen = np.concatenate(batches(orders(new, old, fresh, replayed), epochs=3))
    times = Counter((seen[seen >= new] - new).tolist())
    assert set(times) <= set(range(old))
    assert max(times.values()) - min(times.get(row, 0) for row in range(old)) <= 1


def test_every_batch_has_the_share_of_old_rows_and_empty_slots_only_at_its_end():
    order = orders(new=50, old=7, fresh=6, replayed=2)
    *full, last = batches(order)
    assert all((batch >= 50).sum() == 2 and (batch < 0).sum() == 0 for batch in full)
    assert (last >= 50).sum() == 1, "two new rows are left, a third of a batch's"
    assert (last[:3] >= 0).all()
    assert (last[3:] == -1).all()


@pytest.mark.parametrize(
    ("replay", "global_batch", "old"),
    [(0.25, 8, 2), (0.3, 8, 2), (0.01, 8, 1), (0.99, 8, 7), (0.5, 2, 1), (0.0, 8, 0)],
)
def test_a_share_is_whole_rows_of_a_batch_at_least_one_and_never_all(replay, global_batch, old):
    assert ContinualSection(replay=replay).old_per_batch(global_batch) == old


def test_ranks_and_accumulation_steps_get_fair_shares_of_the_old_rows():
    order = orders(new=1600, old=500, fresh=8, replayed=8)
    seen = batches(order)
    for world, micro in ((2, 1), (2, 4), (4, 2), (1, 4)):
        held = sum(
            np.array([(share(batch, rank, world, micro) >= 1600).sum(1) for rank in range(world)]) for batch in seen
        )
        assert held.sum() == 1600
        expected = 1600 / held.size
        assert abs(held - expected).max() < 4.5 * np.sqrt(expected / 2), (world, micro, held)


def old_shards(job, count=12, context=training.CONTEXT):
    """Another shards artifact, with rows of other stories and the same tokenizer."""
    tokenizer = load_tokenizer(job.artifacts.get(job.tokenizer.partition(":")[2]).local())
    data, _ = make_shard([f"old:{i}" for i in range(count)], training.stories(count, 9), Encoder.of(tokenizer), context)
    draft = job.artifacts.begin(Plan("shards", 1, section={"old": count, "context": context}))
    draft.write("train/rows-00000.arrow", data)
    return draft.commit().id


@pytest.fixture
def job(artifacts, tmp_path):
    made = training.tiny_job(artifacts, tmp_path, continual={"replay": 0.25})
    return replace(made, old_shards=(old_shards(made, 5), old_shards(made, 3)))


def test_old_rows_of_several_artifacts_are_numbered_after_the_new_ones(job):
    rows, order = training_rows(job)
    new = open_rows(job.artifacts.get(job.shards).local(), "train")
    assert order.old_rows == len(rows) - len(new) > 0
    assert all(chapter.startswith("book") for i in range(len(new)) for chapter in rows.chapters(i))
    old = [rows.chapters(i) for i in range(len(new), len(rows))]
    assert old[0] == old[-1 - sum("old:2" in row for row in old[-2:])] or old[0][0] == "old:0"
    assert {c for row in old for c in row} == {f"old:{i}" for i in range(5)}


def test_old_rows_of_another_length_are_refused_with_both_lengths(job):
    wrong = replace(job, old_shards=(old_shards(job, 4, context=32),))
    with pytest.raises(TrainError, match=r"have 32 tokens .* the new ones 64") as caught:
        training_rows(wrong)
    assert "train.continual.old" in caught.value.hint


def test_replay_without_old_rows_is_refused(job):
    with pytest.raises(TrainError, match=r"train\.continual\.replay"):
        training_rows(replace(job, old_shards=()))


def test_ewc_alone_trains_on_no_old_row(job):
    stage = job.stage.model_copy(update={"continual": ContinualSection.model_validate({"ewc": {}})})
    rows, order = training_rows(replace(job, stage=stage))
    assert isinstance(order, RowOrder)
    assert order.rows == len(rows)

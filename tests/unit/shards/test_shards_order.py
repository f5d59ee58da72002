"""The order of rows: complete, reproducible, seekable, and the same for any number of workers."""

import time
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.shards import RowOrder, share

sizes = st.integers(1, 700)
batches = st.integers(1, 64)
seeds = st.integers(-(2**70), 2**70)


def epoch_of(order, epoch):
    return np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)])


@pytest.mark.slow
@given(sizes, batches, seeds, st.integers(0, 100))
@settings(max_examples=150, deadline=None)
def test_an_epoch_has_every_row_once_and_empty_slots_only_at_its_end(rows, global_batch, seed, epoch):
    seen = epoch_of(RowOrder(rows, global_batch, seed), epoch)
    assert sorted(seen[:rows]) == list(range(rows))
    assert (seen[rows:] == -1).all()
    assert len(seen) - rows < global_batch


@pytest.mark.slow
@given(sizes, seeds, st.integers(0, 10))
@settings(max_examples=50, deadline=None)
def test_the_order_of_rows_does_not_depend_on_the_batch_size(rows, seed, epoch):
    one, many = RowOrder(rows, 1, seed), RowOrder(rows, 16, seed)
    assert (epoch_of(one, epoch) == epoch_of(many, epoch)[:rows]).all()


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4), seeds)
@settings(max_examples=50, deadline=None)
def test_the_shares_of_all_ranks_together_are_the_batch(world, micro_batch, accumulation, seed):
    size = world * micro_batch * accumulation
    batch = RowOrder(3 * size, size, seed).batch(0, 1)
    shares = [share(batch, rank, world, micro_batch) for rank in range(world)]
    assert all(s.shape == (accumulation, micro_batch) for s in shares)
    assert sorted(np.concatenate([s.ravel() for s in shares])) == sorted(batch)


def test_empty_slots_of_a_short_batch_fall_into_the_same_accumulation_steps_on_every_rank():
    batch = np.array([4, 2, 7, 1, -1, -1, -1, -1])
    assert [share(batch, rank, 2, 2).tolist() for rank in (0, 1)] == [[[4, 2], [-1, -1]], [[7, 1], [-1, -1]]]


def test_the_order_is_the_one_that_earlier_runs_were_trained_in():
    """A resumed run relies on these values; they may change only with a new stage version."""
    assert RowOrder(10, 5, seed=1).batch(0, 0).tolist() == [6, 8, 7, 1, 5]
    assert RowOrder(1_000_003, 4, seed=-7).batch(3, 99_999).tolist() == [78309, 555882, 326706, 648001]


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(epoch_of(RowOrder(50, 10, seed), epoch)) for seed in range(10) for epoch in range(10)}
    assert len(orders) == 100


@pytest.mark.slow
@pytest.mark.parametrize("rows", [3, 4])
def test_all_permutations_of_few_rows_are_about_equally_frequent(rows):
    counts = Counter(tuple(RowOrder(rows, rows, seed).batch(0, 0)) for seed in range(600))
    expected = 600 / {3: 6, 4: 24}[rows]
    assert len(counts) == {3: 6, 4: 24}[rows]
    chi_square = sum((c - expected) ** 2 / expected for c in counts.values())
    assert chi_square < {3: 20.6, 4: 49.8}[rows]  # the 0.999 quantiles


@pytest.mark.parametrize("rows", [1000, 1024, 5000])
def test_a_row_may_come_at_any_time_whatever_its_number(rows):
    """Neither position nor neighbours carry over: correlations as small as those of a random shuffle."""
    order = RowOrder(rows, rows, seed=5)
    for epoch in range(20):
        seen = order.batch(epoch, 0).astype(float)
        bound = 4.5 / np.sqrt(rows)
        assert abs(np.corrcoef(seen, np.arange(rows))[0, 1]) < bound
        assert abs(np.corrcoef(seen[:-1], seen[1:])[0, 1]) < bound
        assert abs(np.corrcoef(seen, order.batch(epoch + 1, 0))[0, 1]) < bound
        fixed_or_next = np.sum(np.diff(seen) == 1) + np.sum(seen == np.arange(rows))
        assert fixed_or_next < 14  # two Poisson(1)s


def test_seeking_far_costs_no_more_than_starting():
    order = RowOrder(rows=2**40 + 1, global_batch=64, seed=1)
    began = time.perf_counter()
    batch = order.batch(7, order.steps_per_epoch - 2)
    assert time.perf_counter() - began < 0.5
    assert len(set(batch)) == 64
    assert batch.max() <= 2**40


def test_a_step_past_the_epoch_is_refused():
    with pytest.raises(IndexError, match="an epoch has 3 steps"):
        RowOrder(5, 2, 0).batch(0, 3)
    assert RowOrder(0, 2, 0).steps_per_epoch == 0

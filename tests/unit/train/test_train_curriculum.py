"""Curricula: bands of difficulty, their shares epoch by epoch, and an order that needs to remember nothing."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from novelray.errors import TrainError
from novelray.recipe.curriculum import CurriculumSection
from novelray.train.curriculum import bands_of, curriculum, dealt

GUIDE = CurriculumSection()
shares = st.lists(st.integers(0, 5), min_size=2, max_size=6).filter(any)


def of(section, rows=100, global_batch=8, epochs=20, seed=5):
    return curriculum(section, np.arange(rows, dtype=float), global_batch, epochs, seed)


def table(*points, **more):
    return CurriculumSection.model_validate({"schedule": list(points), **more})


def epoch_of(order, epoch):
    seen = np.concatenate([order.batch(epoch, step) for step in range(order.steps_per_epoch)])
    return seen[seen >= 0]


def test_the_guides_schedule_is_easy_alone_for_five_epochs_then_easy_falls_and_hard_rises_over_ten():
    hard = [round(GUIDE.weights(epoch)[1], 6) for epoch in range(1, 21)]
    assert hard == [0] * 5 + [0.08, 0.16, 0.24, 0.32, 0.4, 0.48, 0.56, 0.64, 0.72, 0.8] + [0.8] * 5
    assert all(sum(GUIDE.weights(epoch)) == pytest.approx(1) for epoch in range(1, 21))


def test_an_epoch_is_as_long_as_without_a_curriculum_and_has_the_shares_of_its_schedule():
    order = of(GUIDE)
    assert order.steps_per_epoch == 13
    for epoch in range(20):
        seen = epoch_of(order, epoch)
        assert len(seen) == 100
        assert abs((seen >= 50).sum() - 100 * GUIDE.weights(epoch + 1)[1]) <= 0.5


def test_every_batch_has_the_shares_to_within_a_row():
    order = of(GUIDE, rows=400, global_batch=8)
    for epoch in (0, 5, 6, 9, 14):
        hard = GUIDE.weights(epoch + 1)[1]
        for step in range(order.steps_per_epoch - 1):
            assert abs((order.batch(epoch, step) >= 200).sum() - 8 * hard) < 1 + 1e-6


@given(shares, shares, st.integers(7, 60), st.integers(8, 30), st.integers(0, 9))
@settings(max_examples=8, deadline=None)
def test_a_row_of_a_band_comes_again_only_when_all_of_its_band_have_come(first, last, rows, global_batch, seed):
    bands = len(first)
    last = (last + [1] * bands)[:bands]
    if not any(last):
        last[0] = 1
    section = table({"epoch": 2, "weights": first}, {"epoch": 4, "weights": last}, bands=bands)
    order = of(section, rows, global_batch, epochs=6, seed=seed)
    seen = Counter()
    for epoch in range(6):
        for step in range(order.steps_per_epoch):
            batch = order.batch(epoch, step)
            seen.update(batch[batch >= 0].tolist())
        for band in order.bands:
            times = [seen[row] for row in band]
            assert max(times) - min(times) <= 1
    assert sum(seen.values()) == 6 * rows


@given(shares, st.integers(0, 3000))
@settings(max_examples=200, deadline=None)
def test_one_row_more_never_takes_one_from_a_band(parts, rows):
    before, after = dealt(rows, parts), dealt(rows + 1, parts)
    assert sum(before) == rows
    assert sorted(b - a for a, b in zip(before, after, strict=True)) == [0] * (len(parts) - 1) + [1]
    assert all(count == 0 for count, part in zip(after, parts, strict=True) if part == 0)


def test_any_step_is_found_without_those_before_it():
    many = table({"epoch": 1, "easy": 1}, {"epoch": 3, "easy": 0.5})
    order, again = of(many, epochs=10**6), of(many, epochs=10**6)
    assert len(order.parts) == 3
    for step in (999_999 * 13 + 4, 30, 0):
        assert (again.at(step) == order.at(step)).all()
    assert len(set(order.at(999_999 * 13 + 4))) == 8


def test_the_order_under_a_curriculum_is_the_one_that_earlier_runs_were_trained_in():
    """A resumed run relies on these values; they may change only with a new stage version."""
    order = of(GUIDE, rows=20, global_batch=6)
    assert [order.batch(0, 0).tolist(), order.batch(7, 1).tolist()] == PINNED


PINNED = [[6, 9, 7, 5, 0, 8], [3, 9, 4, 19, 10, 2]]


def test_bands_have_equally_many_rows_from_the_easiest_to_the_hardest():
    difficulty = np.array([5.0, 1.0, 3.0, 3.0, 9.0, 2.0, 3.0])
    assert [band.tolist() for band in bands_of(difficulty, 3)] == [[1, 2, 5], [3, 6], [0, 4]]
    with pytest.raises(TrainError, match="7 rows, too few for a curriculum of 8"):
        bands_of(difficulty, 8)


def test_shares_between_two_points_are_on_a_line_or_stay_until_the_next():
    points = ({"epoch": 2, "weights": [4, 0, 0]}, {"epoch": 6, "weights": [0, 1, 3]})
    line, steps = table(*points, bands=3), table(*points, bands=3, between="steps")
    assert line.weights(3) == pytest.approx((0.75, 0.0625, 0.1875))
    assert steps.weights(5) == (1, 0, 0)
    assert line.weights(1) == steps.weights(1) == (1, 0, 0)
    assert line.weights(60) == steps.weights(6) == (0, 0.25, 0.75)


def test_a_table_that_says_what_the_guide_says_makes_the_same_model():
    said = table({"epoch": 5, "weights": [3, 0]}, {"epoch": 15, "hard": 0.8})
    assert said.identity() == GUIDE.identity()
    assert table({"epoch": 5, "weights": [3, 0]}, {"epoch": 15, "hard": 0.7}).identity() != GUIDE.identity()


@pytest.mark.parametrize("point", [{}, {"easy": 0.5, "weights": [1, 1]}, {"weights": [0, 0]}, {"easy": 1.5}])
def test_a_point_gives_its_shares_once(point):
    with pytest.raises(ValidationError):
        table({"epoch": 1, **point})

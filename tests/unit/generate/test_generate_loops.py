"""When a text goes round in a circle, and when it only laughs."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.generate.loops import LEAST_LOOP, LONGEST_UNIT, LoopDetector


def stops_after(tokens, repeats):
    """The number of tokens after which it is a loop; None: never."""
    detector = LoopDetector(repeats)
    return next((i + 1 for i, token in enumerate(tokens) if detector.push(token)), None)


def plain(tokens, repeats):
    """The definition: the text ends in a stretch, long enough, in which every token is that of one unit before."""
    for size in range(1, len(tokens) + 1):
        for unit in range(1, LONGEST_UNIT + 1):
            stretch = tokens[max(0, size - max(unit * repeats, LEAST_LOOP)) : size]
            if len(stretch) >= max(unit * repeats, LEAST_LOOP) and stretch[unit:] == stretch[:-unit]:
                return size
    return None


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 3), max_size=9), st.lists(st.integers(0, 3), min_size=1, max_size=7),
    st.integers(0, 30), st.integers(2, 6),
)  # fmt: skip
def test_a_loop_is_found_at_the_token_that_the_definition_names(before, unit, times, repeats):
    tokens = before + unit * times
    assert stops_after(tokens, repeats) == plain(tokens, repeats)


@pytest.mark.parametrize(("times", "loops"), [(LEAST_LOOP - 1, False), (LEAST_LOOP, True)])
def test_laughter_is_no_loop_until_it_does_not_end(times, loops):
    assert (stops_after([7] * times, 4) is not None) is loops


def test_a_refrain_with_other_words_between_is_no_loop():
    refrain = list(range(20))
    assert stops_after([t for verse in range(9) for t in [*refrain, 100 + verse]], 2) is None
    assert stops_after(refrain * 4, 4) == 80

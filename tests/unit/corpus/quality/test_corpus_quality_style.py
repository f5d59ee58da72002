"""How even the style of a set of chapters is: one book against two."""

from __future__ import annotations

import numpy as np
import pytest
from support import quality_trials as trials

from novelray.corpus.quality.features import features
from novelray.corpus.quality.style import FEWEST, SET, style


@pytest.mark.slow
@pytest.mark.novels
def test_chapters_of_one_book_are_told_from_a_mixture_of_two(numbers):
    found = trials.styles(numbers, seeds=5)
    one, two = ([d for pair in found.values() for d in pair[side]] for side in (0, 1))
    assert len(one) >= 75
    assert len(two) >= 190
    assert trials.auc(one, two) >= 0.95
    assert all(trials.auc(*pair) >= 0.95 for pair in found.values()), "in each language and script"


@pytest.mark.novels
def test_the_guides_fifteen_per_cent_stands_between_one_book_and_two(numbers):
    found = trials.styles(numbers, seeds=2)
    for one, two in found.values():
        assert np.mean(one) < 0.15 < np.mean(two)


def hand(words, chapters, seed, length=2_000):
    """Chapters in which each word has its own frequency."""
    rng = np.random.default_rng(seed)
    rates = rng.dirichlet(np.full(len(words), 2.0))
    return [features(" ".join(rng.choice(words, length, p=rates)), "en").terms for _ in range(chapters)]


WORDS = [f"{a}{b}" for a in "bcdfghjklm" for b in "aeiou"]


def test_a_second_hand_raises_the_distance():
    one = style(np.stack(hand(WORDS, 16, 1)))
    two = style(np.stack(hand(WORDS, 8, 1) + hand(WORDS, 8, 2)))
    assert one.distance is not None
    assert two.distance is not None
    assert two.distance > 0.5 > one.distance


def test_the_chapter_that_another_hand_wrote_is_the_farthest():
    found = style(np.stack(hand(WORDS, 15, 1) + hand(WORDS, 1, 2)))
    assert found.chapters.index(max(found.chapters)) == 15


def test_few_chapters_have_no_style_distance_but_each_has_its_own():
    found = style(np.stack(hand(WORDS, FEWEST - 1, 1)))
    assert found.distance is None
    assert len(found.chapters) == FEWEST - 1
    assert style(np.stack(hand(WORDS, 1, 1))).chapters == [0.0]


def test_a_long_book_has_the_scale_of_a_short_one():
    short, long = (style(np.stack(hand(WORDS, n, 1))).distance for n in (SET, 6 * SET))
    assert abs(long - short) < 0.05


def test_chapters_without_a_word_do_not_break_the_measure():
    found = style(np.zeros((10, 16384), np.uint16))
    assert found.distance == 0
    assert all(0 <= distance <= 1 for distance in found.chapters)


def test_short_chapters_do_not_look_uneven_by_chance():
    assert np.mean(style(np.stack(hand(WORDS, 16, 1, length=200))).chapters) < 0.02

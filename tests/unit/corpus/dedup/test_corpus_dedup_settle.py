"""What settling promises: whoever goes resembles one who stays, and nobody stays who could go."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from novelray.corpus.dedup.settle import settle


def _settled(count, edges, place=None):
    inner, outer = (np.array([e[i] for e in edges], np.int64) for i in (0, 1))
    return settle(inner, outer, np.arange(count) if place is None else np.asarray(place)).tolist()


_EDGES = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40)


@given(st.integers(2, 12), _EDGES, st.randoms())
def test_who_goes_resembles_one_who_stays(count, edges, chance):
    edges = [(a % count, b % count) for a, b in edges if a % count != b % count]
    edge = _settled(count, edges, chance.sample(range(count), count))
    for row, chosen in enumerate(edge):
        if chosen != -1:
            assert edges[chosen][0] == row
            assert edge[edges[chosen][1]] == -1


@given(st.integers(2, 12), _EDGES, st.randoms())
def test_without_rings_none_stays_that_may_go_and_each_goes_for_its_best_reason(count, edges, chance):
    place = chance.sample(range(count), count)
    edges = [(a % count, b % count) for a, b in edges if place[a % count] > place[b % count]]
    edge = _settled(count, edges, place)
    for row, chosen in enumerate(edge):
        reasons = [i for i, (inner, outer) in enumerate(edges) if inner == row and edge[outer] == -1]
        assert reasons[:1] == ([] if chosen == -1 else [chosen])


def test_a_chain_does_not_carry_a_chapter_away():
    # 1 goes for 0, 2 would go for 1 only, 3 for 2: 2 stays, since it does not resemble 0
    assert _settled(4, [(1, 0), (2, 1), (3, 2)]) == [-1, 0, -1, 2]


def test_of_two_that_may_go_for_each_other_the_first_placed_stays():
    assert _settled(3, [(0, 1), (1, 0), (2, 1)], place=[2, 0, 1]) == [0, -1, 2]

"""Who goes for whose sake: from "x may go while k is kept" to a set of kept chapters of which none may go any more."""

from __future__ import annotations

import numpy as np

from novelray.corpus.dedup.groups import I64

_OPEN, _KEPT, _GONE = 0, 1, 2


def settle(inner: I64, outer: I64, place: I64) -> I64:
    """For each row the edge for which it goes, or -1 where it is kept.

    Edge i: row `inner[i]` may go while row `outer[i]` is kept. The edges of a row come best first, and it goes for the
    first of them whose outer row is kept in the end. Where rows may go for each other in a ring, the one with the
    smallest `place` stays; with no ring, none stays that may go.
    """
    state = np.full(len(place), _OPEN)
    state[np.setdiff1d(np.arange(len(place)), inner)] = _KEPT
    live = np.arange(len(inner))
    while len(live):
        going = inner[live[state[outer[live]] == _KEPT]]
        state[going] = _GONE
        waiting = inner[live[state[outer[live]] == _OPEN]]
        free = np.setdiff1d(inner[live[state[inner[live]] == _OPEN]], waiting)
        state[free] = _KEPT
        if not len(going) and not len(free):
            state[_first_of_rings(inner[live], outer[live], place)] = _KEPT
        live = live[state[inner[live]] == _OPEN]
    edge = np.full(len(place), -1)
    reasons = np.flatnonzero((state[inner] == _GONE) & (state[outer] == _KEPT))
    rows, first = np.unique(inner[reasons], return_index=True)
    edge[rows] = reasons[first]
    return edge


def _first_of_rings(inner: I64, outer: I64, place: I64) -> I64:
    """Rows that stand before all those they are linked with."""
    later = np.where(place[inner] < place[outer], outer, inner)
    return np.setdiff1d(np.concatenate([inner, outer]), later)

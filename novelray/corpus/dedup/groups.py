"""Connected chapters: numbers for the groups that a list of pairs links, in numpy, without an object per chapter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def groups_of(count: int, first: npt.ArrayLike, second: npt.ArrayLike) -> I64:
    """For each of `count` nodes the smallest one that a path of edges first[i], second[i] leads to."""
    a, b = np.asarray(first, np.int64), np.asarray(second, np.int64)
    label = np.arange(count, dtype=np.int64)
    while True:
        low = np.minimum(label[a], label[b])
        before = label.copy()
        for ends in (a, b):
            np.minimum.at(label, label[ends], low)
            np.minimum.at(label, ends, low)
        label = label[label]
        if np.array_equal(label, before):
            return label


def runs_of(values: npt.NDArray) -> tuple[I64, I64]:
    """Start and length of each run of equal neighbours."""
    if not len(values):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return starts, np.diff(np.r_[starts, len(values)])

"""Candidates: chapters that share several of their smallest hashes. What they really have in common is compare.py's.

Sketches come as lists side by side: the hashes of row i are `values[offsets[i]:offsets[i + 1]]`, ascending. A caller
may hold only the hashes of one residue class (see parts.py); counts from all classes add up to the same numbers. No
step is quadratic: of a hash that many chapters hold, each is paired with the first and with some neighbours, other ones
for each hash.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from novelray.corpus.dedup.groups import I64, runs_of
from novelray.corpus.dedup.sketches import EVERYTHING, U64

KEYS = 32  # of a chapter's hashes, the smallest ones, in which candidates are looked for
KEY_SCALE = 128  # or one gram in so many, where that is more
LEAST_SHARED = 4  # keys that candidates have in common: 11 of 32 at the lowest similarity looked for
NEIGHBOURS = 16  # chapters with the same key, before and after it, that each one is paired with


@dataclass(frozen=True)
class Lists:
    """Ascending hashes per row, in two flat arrays."""

    values: U64
    offsets: I64

    @classmethod
    def of(cls, column: pa.ChunkedArray) -> Lists:
        """The lists of an Arrow column."""
        lists = column.combine_chunks()
        sizes = lists.value_lengths().to_numpy(zero_copy_only=False)
        return cls(lists.flatten().to_numpy(), np.r_[0, np.cumsum(sizes, dtype=np.int64)])

    def rows(self) -> I64:
        """The row of each value."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


def key_bounds(lists: Lists) -> U64:
    """Per row the hash below which its hashes are keys. Needs the whole lists."""
    starts, sizes = lists.offsets[:-1], np.diff(lists.offsets)
    bounds = np.full(len(sizes), EVERYTHING, np.uint64)
    many = sizes > KEYS
    bounds[many] = np.maximum(lists.values[starts[many] + KEYS], np.uint64(EVERYTHING // KEY_SCALE))
    return bounds


def shared_keys(lists: Lists, bounds: U64) -> tuple[U64, I64]:
    """Pairs of rows that share keys, packed as a << 32 | b in ascending order, and how often each was found."""
    hashes, rows, sizes = _runs(lists, bounds)
    run = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    crowded = np.flatnonzero(np.repeat(sizes, sizes) > NEIGHBOURS + 1)
    others = crowded[place[crowded] > 0]
    found = [_packed(rows[others - place[others]], rows[others])]
    rows[crowded] = rows[crowded[np.lexsort((_shuffled(rows[crowded], hashes[crowded]), run[crowded]))]]
    for step in range(1, min(NEIGHBOURS, int(sizes.max(initial=1)) - 1) + 1):
        later = np.flatnonzero(place >= step)
        found.append(_packed(rows[later - step], rows[later]))
    return counted(np.concatenate(found))


def _runs(lists: Lists, bounds: U64) -> tuple[U64, U64, I64]:
    """The keys that several rows hold, in order, the rows beside them, and the number of rows for each key."""
    chosen = lists.values < np.repeat(bounds, np.diff(lists.offsets))
    hashes, rows = lists.values[chosen], lists.rows()[chosen].astype(np.uint64)
    order = np.argsort(hashes, kind="stable")  # within a key, rows stay in order
    hashes, rows = hashes[order], rows[order]
    _, sizes = runs_of(hashes)
    shared = np.repeat(sizes, sizes) > 1
    return hashes[shared], rows[shared], sizes[sizes > 1]


def _shuffled(rows: U64, hashes: U64) -> U64:
    """An order of rows that is another one for each hash, so that all who share many keys meet as neighbours."""
    mixed: U64 = (rows * np.uint64(0x9E3779B97F4A7C15)) ^ hashes
    mixed ^= mixed >> np.uint64(32)
    return mixed * np.uint64(0xC2B2AE3D27D4EB4F)


def counted(pairs: U64, counts: I64 | None = None) -> tuple[U64, I64]:
    """The different pairs, ascending, and how often each stands there, or the sum of its counts."""
    if counts is None:
        pairs = np.sort(pairs)
        starts, sizes = runs_of(pairs)
        return pairs[starts], sizes
    order = np.argsort(pairs, kind="stable")
    pairs, counts = pairs[order], counts[order]
    starts, _ = runs_of(pairs)
    return pairs[starts], np.add.reduceat(counts, starts) if len(starts) else counts


def _packed(a: U64, b: U64) -> U64:
    packed: U64 = (np.minimum(a, b) << np.uint64(32)) | np.maximum(a, b)
    return packed


def unpacked(pairs: U64) -> tuple[I64, I64]:
    """Rows a and b of packed pairs."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)

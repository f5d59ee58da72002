"""How much two chapters have in common, told from the hashes of their grams."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from novelray.corpus.dedup.groups import I64
from novelray.corpus.dedup.pairs import Lists, unpacked
from novelray.corpus.dedup.sketches import EVERYTHING, HANZI_GRAM, U64

LEAST_OVERLAP = 0.25  # share of a chapter's grams found in the other, below which a pair is of no interest
LEAST_EVIDENCE = 20  # hashes from which a share is told, unless both sketches hold all grams
CHUNK = 1 << 12  # pairs counted at once
_PLACE_BITS = np.uint64(12)  # tell the pairs of a chunk apart
_HASH_BITS = np.uint64(52)  # are left for a hash: enough among a few hundred

PAIRS = pa.schema(
    [
        pa.field("a", pa.uint32(), nullable=False),  # row numbers, a < b
        pa.field("b", pa.uint32(), nullable=False),
        pa.field("similarity", pa.float32(), nullable=False),  # Jaccard similarity of sets of character 5-grams
        pa.field("a_in_b", pa.float32(), nullable=False),  # share of a's grams that b holds
        pa.field("b_in_a", pa.float32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Counts:
    """For each pair: hashes that both rows hold, and that a and b hold, below the lower of their bounds."""

    both: I64
    a: I64
    b: I64

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.both + other.both, self.a + other.a, self.b + other.b)


def count_shared(pairs: U64, lists: Lists, bounds: U64) -> Counts:
    """How many hashes the rows of each packed pair have in common. `bounds`: of each row's sketch."""
    parts = [_count_chunk(pairs[start : start + CHUNK], lists, bounds) for start in range(0, len(pairs), CHUNK)]
    empty = np.zeros(0, np.int64)
    return Counts(*(np.concatenate([empty, *(getattr(part, name) for part in parts)]) for name in ("both", "a", "b")))


def _count_chunk(pairs: U64, lists: Lists, bounds: U64) -> Counts:
    a, b = unpacked(pairs)
    limit = np.minimum(bounds[a], bounds[b])
    placed_a, placed_b = (_placed(rows, limit, lists) for rows in (a, b))
    together = np.sort(np.concatenate([placed_a, placed_b]))
    both = together[1:][together[1:] == together[:-1]]
    places = ((placed >> _HASH_BITS).astype(np.int64) for placed in (both, placed_a, placed_b))
    return Counts(*(np.bincount(place, minlength=len(pairs)) for place in places))


def _placed(rows: I64, limit: U64, lists: Lists) -> U64:
    """The hashes of each of the rows that are below its limit, with its place in `rows` in the highest bits."""
    starts, sizes = lists.offsets[rows], lists.offsets[rows + 1] - lists.offsets[rows]
    place = np.repeat(np.arange(len(rows)), sizes)
    within = np.arange(len(place)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    values = lists.values[starts[place] + within]
    low = values < limit[place]
    placed: U64 = (place[low].astype(np.uint64) << _HASH_BITS) | (values[low] >> _PLACE_BITS)
    return placed


def judged(pairs: U64, counts: Counts, bounds: U64, grams: npt.NDArray[np.uint8]) -> pa.Table:
    """The PAIRS among candidates that overlap by LEAST_OVERLAP. `grams`: n per row."""
    a, b = unpacked(pairs)
    complete = np.minimum(bounds[a], bounds[b]) == EVERYTHING
    a_in_b, b_in_a = (
        np.where(complete | (size >= LEAST_EVIDENCE), counts.both / np.maximum(size, 1), 0.0)
        for size in (counts.a, counts.b)
    )
    jaccard = counts.both / np.maximum(counts.a + counts.b - counts.both, 1)
    found = pa.table([a, b, as_five_grams(jaccard, grams[a]), a_in_b, b_in_a], PAIRS.names).cast(PAIRS)
    return found.filter(pa.array((grams[a] == grams[b]) & (np.maximum(a_in_b, b_in_a) >= LEAST_OVERLAP)))


def as_five_grams(jaccard: npt.NDArray[np.float64], grams: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The Jaccard similarity of 5-grams at the rate of changes that one of n-grams tells (Mash, Ondov et al. 2016)."""
    shared: npt.NDArray[np.float64] = (2 * jaccard / (1 + jaccard)) ** (HANZI_GRAM / np.maximum(grams, 1))
    return shared / (2 - shared)

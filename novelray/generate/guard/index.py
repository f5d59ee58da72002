"""The grams of all training chapters in memory, as a Bloom filter: 2 bytes for each, and it is never wrong about a no.

Of what does not stand in the books, 1 lookup in 1,000 says yes. That does no harm: a copy is many grams in a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from novelray.shards.grams import MASK, MIX, is_grams, read_grams
from novelray.storage import Artifacts

BITS, PROBES = 16, 6
"""Bits for each gram, and how many of them it sets."""

MOST_BITS = 1 << 32
_SPREAD = 0x9FB21C651E98DF25
_LOW = (1 << 32) - 1


class CopyIndex:
    """Tells whether a gram stands in the books. Read by several threads at once; never changed."""

    def __init__(self, parts: Iterable[NDArray[np.int64]], grams: int | None = None) -> None:
        """`parts`: 40-bit hashes, as `read_grams` gives them, taken one after another.

        `grams`: about how many they are in all; without it the parts are counted first, in memory together.
        """
        if grams is None:
            parts = list(parts)
            grams = sum(map(len, parts))
        self._bits = min(MOST_BITS, max(64, grams * BITS) // 8 * 8)
        table = np.zeros(self._bits // 8, np.uint8)
        for part in parts:
            for probe in range(PROBES):
                _set(table, self._places(part, probe))
        self._table = table
        self._bytes = table.data  # indexing this gives plain ints, several times faster than the array

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self._bits // 8

    def has(self, polynomial: int) -> bool:
        """Whether the gram with this polynomial (see CopyRun) stands in the books."""
        mixed = polynomial ^ (polynomial >> 32)
        mixed = mixed * MIX & MASK
        spread = ((mixed ^ (mixed >> 29)) >> 24) * _SPREAD & MASK
        place, step, bits, table = spread >> 32, (spread & _LOW) | 1, self._bits, self._bytes
        for _ in range(PROBES):
            at = place % bits
            if not table[at >> 3] >> (at & 7) & 1:
                return False
            place += step
        return True

    def has_each(self, polynomials: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """`has` of many, shape (n,)."""
        mixed = polynomials ^ (polynomials >> np.uint64(32))
        mixed = mixed * np.uint64(MIX)
        keys = ((mixed ^ (mixed >> np.uint64(29))) >> np.uint64(24)).astype(np.int64)
        found = np.ones(len(keys), np.bool_)
        for probe in range(PROBES):
            at = self._places(keys, probe)
            found &= (self._table[at >> np.uint64(3)] >> (at & np.uint64(7)).astype(np.uint8)) & 1 == 1
        return found

    def _places(self, keys: NDArray[np.int64], probe: int) -> NDArray[np.uint64]:
        spread = keys.astype(np.uint64) * np.uint64(_SPREAD)
        step = (spread & np.uint64(_LOW)) | np.uint64(1)
        places: NDArray[np.uint64] = ((spread >> np.uint64(32)) + np.uint64(probe) * step) % np.uint64(self._bits)
        return places


def _set(table: NDArray[np.uint8], places: NDArray[np.uint64]) -> None:
    """Set bits, several of which may lie in one byte: one bit of the byte after another."""
    bit = (places & np.uint64(7)).astype(np.uint8)
    for number in range(8):
        table[places[bit == number] >> np.uint64(3)] |= np.uint8(1 << number)


def indexed(artifacts: Artifacts, shards: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which of these shards artifacts have grams, and which do not: old ones, and those that are not there."""
    having: list[str] = []
    lacking: list[str] = []
    for artifact_id in shards:
        found = artifacts.find(artifact_id)
        has = found is not None and any(map(is_grams, found.manifest.files))
        (having if has else lacking).append(artifact_id)
    return having, lacking


def open_index(artifacts: Artifacts, shards: Sequence[str]) -> CopyIndex | None:
    """The index of the books in these shards artifacts; None where none of them has grams. Raises DamagedError."""
    sources = [artifacts.get(artifact_id) for artifact_id in indexed(artifacts, shards)[0]]
    if not sources:
        return None
    parts = (read_grams(s.read(name)) for s in sources for name in sorted(s.manifest.files) if is_grams(name))
    return CopyIndex(parts, sum(int(s.counts["train"]["chars"]) for s in sources))

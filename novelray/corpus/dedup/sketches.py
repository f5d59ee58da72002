"""A chapter's sketch: the smallest hashes of its character n-grams, from which similarity is told without its text.

Texts in Hanzi are cut into grams of 5 characters, alphabets into grams of 8 letters, since 5 letters are so common that
any two English chapters share a quarter of them. A sketch holds every hash below its `bound`: the smallest LEAST ones,
or the 64th part of all where that is more (bottom-k sketches, Broder 1997; scaled ones, Irber et al. 2022). So it
answers for a chapter against a chapter, and for a story against the anthology that contains it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from novelray.corpus.dedup.fold import U8, U16, fold_counted, script_of
from novelray.corpus.dedup.repeated import own_hashes
from novelray.corpus.native import compiled

if TYPE_CHECKING:
    from novelray.corpus.book import Chapter

_native = compiled("sketch")

U64 = npt.NDArray[np.uint64]

HANZI_GRAM, LETTER_GRAM = 5, 8
LEAST = 128  # hashes of a sketch, where the text has as many grams; the estimate's standard error is 0.044
SCALE = 64  # a long text keeps one gram in so many
EVERYTHING = (1 << 64) - 1
_SCRIPT_CHARS = 1000  # read to tell the script

SKETCH = pa.schema(
    [
        pa.field("chapter_id", pa.string(), nullable=False),
        pa.field("book", pa.string(), nullable=False),
        pa.field("index", pa.int32(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),  # of the text without whitespace
        pa.field("chars", pa.int32(), nullable=False),
        pa.field("script", pa.string(), nullable=False),  # "hans", "hant" or ""
        pa.field("gram", pa.uint8(), nullable=False),  # characters in a gram
        pa.field("bound", pa.uint64(), nullable=False),  # the sketch holds every hash below it
        pa.field("sample", pa.list_(pa.uint64()), nullable=False),  # the hashes, ascending, none twice
    ]
)


@dataclass(frozen=True)
class Sketch:
    """The hashes of a text's n-grams below `bound`, ascending. `gram`: n."""

    gram: int
    bound: int
    sample: U64


def sketch_table(chapters: Sequence[Chapter]) -> pa.Table:
    """One row of SKETCH per chapter of a book. Text that many of its chapters repeat is in none of the sketches."""
    found = [sketch(chapter.text) for chapter in chapters]
    bounds = np.array([s.bound for s in found], np.uint64)
    own = own_hashes([s.sample for s in found], bounds, lambda number: _grams(chapters[number].text).hashes())
    for number, hashes in own.items():
        found[number] = _smallest(len(hashes), found[number].gram, partial(_below, hashes))
    columns = {
        "chapter_id": [c.chapter_id for c in chapters],
        "book": [c.book for c in chapters],
        "index": [c.index for c in chapters],
        "digest": [c.digest for c in chapters],
        "chars": [len(c.text) for c in chapters],
        "script": [script_of(c.text[:_SCRIPT_CHARS]) for c in chapters],
        "gram": [s.gram for s in found],
        "bound": pa.array(np.array([s.bound for s in found], np.uint64)),
        "sample": _lists([s.sample for s in found]),
    }
    return pa.table(columns, schema=SKETCH)


def sketch(text: str) -> Sketch:
    """The sketch of one text; a text of fewer characters than one gram has an empty one, which matches nothing."""
    grams = _grams(text)
    return _smallest(grams.count, grams.size, grams.below)


@dataclass(frozen=True)
class _Grams:
    """The n-grams of a text, from its folded codes. `size`: n."""

    codes: U16
    size: int

    @property
    def count(self) -> int:
        return max(0, len(self.codes) - self.size + 1)

    def hashes(self) -> U64:
        """The hash of each, in the order of the text."""
        if self.size == HANZI_GRAM:
            return _hanzi_hashes(self.codes)
        return _letter_hashes((self.codes ^ (self.codes >> np.uint16(8))).astype(np.uint8))

    def below(self, limit: int) -> U64:
        """Those of the hashes that are below `limit`, in order."""
        if _native is None:
            return _below(self.hashes(), limit)
        out = np.empty(self.count, np.uint64)
        write = _native.hanzi_below if self.size == HANZI_GRAM else _native.letters_below
        return out[: write(self.codes, limit, out)]


def _below(hashes: U64, limit: int) -> U64:
    return hashes[hashes < np.uint64(limit)]


def _grams(text: str) -> _Grams:
    codes, hanzi = fold_counted(text)
    return _Grams(codes, HANZI_GRAM if 2 * hanzi > len(codes) else LETTER_GRAM)


_FIRST, _SECOND, _THIRD = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)


def _hanzi_hashes(codes: U16) -> U64:
    """A 64-bit hash of every 5 consecutive codes."""
    count = len(codes) - HANZI_GRAM + 1
    if count < 1:
        return np.zeros(0, np.uint64)
    hashes = _windows(codes, count) * _FIRST
    hashes ^= hashes >> _HALF
    hashes += codes[HANZI_GRAM - 1 :].astype(np.uint64) * _THIRD
    return _mixed(hashes)


def _letter_hashes(letters: U8) -> U64:
    """A 64-bit hash of every 8 consecutive bytes."""
    count = len(letters) - LETTER_GRAM + 1
    return _mixed(_windows(letters, count) * _FIRST) if count > 0 else np.zeros(0, np.uint64)


def _windows(units: U8 | U16, count: int) -> U64:
    """The 8 bytes that begin at each unit, as one number."""
    return np.ndarray((count,), np.dtype("<u8"), units.tobytes(), strides=(units.itemsize,))


def _mixed(hashes: U64) -> U64:
    hashes ^= hashes >> _HALF
    hashes *= _SECOND
    hashes ^= hashes >> _HALF
    return hashes


def _smallest(count: int, gram: int, below: Callable[[int], U64]) -> Sketch:
    """All hashes below the bound that leaves LEAST of them, or one in SCALE where that is more.

    `count`: of all hashes; `below`: those below a limit.
    """
    scaled = EVERYTHING // SCALE
    limit = max(scaled, EVERYTHING * LEAST * 3 // (2 * count)) if count > 2 * LEAST else EVERYTHING
    while True:
        sample = _distinct(below(min(limit, EVERYTHING)))
        if len(sample) >= LEAST or limit >= EVERYTHING:
            break
        limit *= 4  # a text that repeats itself has fewer grams than characters
    if len(sample) <= LEAST:
        return Sketch(gram, min(limit, EVERYTHING), sample)
    bound = max(scaled, int(sample[LEAST]))
    return Sketch(gram, bound, sample[: np.searchsorted(sample, np.uint64(bound))])


def _distinct(hashes: U64) -> U64:
    """As numpy.unique, which takes more than twice as long for so few."""
    ordered = np.sort(hashes)
    new = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:])
    return ordered if new.all() else ordered[new]


def _lists(samples: Sequence[U64]) -> pa.ListArray:
    offsets = np.cumsum([0, *(len(s) for s in samples)], dtype=np.int32)
    values = np.concatenate(samples) if samples else np.zeros(0, np.uint64)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values, pa.uint64()))

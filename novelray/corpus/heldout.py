"""What is kept out of training: whole chapters or whole books, chosen by a hash of the seed and the content.

The choice is a pure function of the seed and of what is in the corpus, so that it is the same on every machine. What
resembles a held-out chapter is held out with it, and with a held-out book all editions of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from novelray.corpus.dedup import Decision, books_of
from novelray.corpus.dedup.groups import I64, runs_of
from novelray.errors import CorpusError
from novelray.recipe.corpus import HeldoutSection

BOOL = npt.NDArray[np.bool_]
_AT_ONCE = 1 << 16  # digests made Python strings at once


def held_out(keys: pa.Table, decision: Decision, heldout: HeldoutSection, seed: int) -> BOOL:
    """Whether each row of `keys` (sorted by book and index) is held out; true for some that are not kept as well.

    Raises CorpusError when `heldout.books` names no book.
    """
    names, book = books_of(keys)
    ranks = _ranks(seed, keys.column("digest"))
    if heldout.by == "book":
        chosen = _books(names, book, ranks, decision, heldout, seed)[book]
    else:
        chosen = _chapters(book, ranks, decision.keep, heldout.share)
    return np.isin(decision.group, decision.group[chosen])


def _chapters(book: I64, ranks: npt.NDArray[np.uint64], keep: BOOL, share: float) -> BOOL:
    """The first of each book's kept chapters by rank."""
    rows = np.flatnonzero(keep)
    rows = rows[np.lexsort((rows, ranks[rows], book[rows]))]
    starts, sizes = runs_of(book[rows])
    wanted = np.array([how_many(size, share) for size in sizes.tolist()], np.int64)
    first = np.arange(len(rows)) - np.repeat(starts, sizes) < np.repeat(wanted, sizes)
    chosen = np.zeros(len(book), bool)
    chosen[rows[first]] = True
    return chosen


def _books(
    names: Sequence[str],
    book: I64,
    ranks: npt.NDArray[np.uint64],
    decision: Decision,
    heldout: HeldoutSection,
    seed: int,
) -> BOOL:
    """The books that are held out, per book: those named, or a share of the works; always with all their editions."""
    if heldout.books:
        missing = [glob for glob in heldout.books if not any(fnmatchcase(name, glob) for name in names)]
        if missing:
            raise CorpusError(
                f"corpus.heldout.books names {missing[0]!r}, and no book is called that.",
                f"The books are: {', '.join(names[:20])}.",
            )
        named = [any(fnmatchcase(name, glob) for glob in heldout.books) for name in names]
        return np.isin(decision.work, decision.work[named])
    rows = np.flatnonzero(decision.keep)
    rows = rows[np.lexsort((ranks[rows], decision.work[book[rows]]))]
    works = decision.work[book[rows]]
    starts, sizes = runs_of(works)
    content = [_rank(seed, ranks[rows[s : s + n]].tobytes().hex()) for s, n in zip(starts, sizes, strict=True)]
    order = sorted(range(len(starts)), key=lambda i: (content[i], works[starts[i]]))
    return np.isin(decision.work, works[starts[order[: how_many(len(starts), heldout.share)]]])


def how_many(total: int, share: float) -> int:
    """How many of `total` are held out: the share, rounded, at least one of two or more; a share of 0 is none."""
    if total < 2 or share == 0:
        return 0
    return min(total, max(1, round(total * share)))


def _ranks(seed: int, digests: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    ranks = np.empty(len(digests), np.uint64)
    for start in range(0, len(digests), _AT_ONCE):
        some = digests.slice(start, _AT_ONCE).to_pylist()
        ranks[start : start + len(some)] = [_rank(seed, digest) for digest in some]
    return ranks


def _rank(seed: int, text: str) -> int:
    return xxhash.xxh3_64_intdigest(f"heldout {seed} {text}".encode())

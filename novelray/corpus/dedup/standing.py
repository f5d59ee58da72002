"""Which edition of a work is kept, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from novelray.corpus.dedup.editions import Links
from novelray.corpus.dedup.groups import I64

FULL = 0.9  # an edition with this share of the longest one's characters is complete
SEVERAL = 3  # editions, among which one can be the most typical


@dataclass(frozen=True)
class BookFacts:
    """What is known of a book besides its chapters; what is not known has the value that decides nothing.

    `confidence`: of the splitting, 0 to 1. `replaced`: places that could not be decoded.
    """

    book: str
    confidence: float = 0.0
    replaced: int = 0
    curated: bool | None = None


@dataclass(frozen=True)
class Standing:
    """What speaks for keeping a book, in the order in which it counts."""

    book: str
    curated: bool
    chars: int
    complete: float  # share of the longest edition's characters
    confidence: float
    replaced: int
    typical: float  # mean similarity to the other editions, where there are several
    script: str
    usual_script: bool

    def rank(self) -> tuple[float | str, ...]:
        """Smaller is better."""
        return (
            not self.curated,
            0 if self.complete >= FULL else 1 + round(10 * (FULL - self.complete)),
            round(4 * (1 - self.confidence)),
            10_000 * self.replaced // max(self.chars, 1),
            -round(20 * self.typical),
            not self.usual_script,
            -round(50 * self.complete),
            self.book,
        )

    def reason(self, other: Standing) -> str:
        """Why this book is kept rather than the other."""
        place = next(i for i, (own, its) in enumerate(zip(self.rank(), other.rank(), strict=True)) if own != its)
        size = f"more complete ({self.chars:,} against {other.chars:,} characters)"
        return (
            "curated by people",
            size,
            f"its chapters are told apart more surely ({self.confidence:.2f} against {other.confidence:.2f})",
            f"fewer unreadable places ({self.replaced:,} against {other.replaced:,})",
            f"nearest to the other editions (similarity {self.typical:.2f} against {other.typical:.2f} on average)"
            if other.typical
            else "one of several editions of its work",
            "in the script of most books here",
            size,
            "equal in all else, and first by name",
        )[place]


def standings(
    keys: pa.Table, names: Sequence[str], book: I64, family: I64, links: Links, facts: Sequence[BookFacts], script: str
) -> list[Standing]:
    """The standing of each book.

    `book`: number per row of the keys; `family`: number per book; `script`: the preferred one, empty for the one that
    most is written in.
    """
    chars = keys.column("chars").to_numpy()
    size = np.bincount(book, weights=chars, minlength=len(names)).astype(np.int64)
    longest = np.zeros(len(names), np.int64)
    np.maximum.at(longest, family, size)
    complete = size / np.maximum(longest[family], 1)
    written, usual = _scripts(keys.column("script"), chars, book, len(names))
    typical = _typical(links, book, family, chars)
    known = {fact.book: fact for fact in facts}
    found = []
    for i, name in enumerate(names):
        fact = known.get(name, BookFacts(name))
        size_and_looks = int(size[i]), float(complete[i]), fact.confidence, fact.replaced, float(typical[i])
        found.append(
            Standing(name, bool(fact.curated), *size_and_looks, written[i], written[i] in ("", script or usual))
        )
    return found


def _typical(links: Links, book: I64, family: I64, chars: I64) -> npt.NDArray[np.float64]:
    """Mean similarity of each book's chapters to those of other books of its family; 0 where there are few."""
    one, other = book[links.inner], book[links.outer]
    related = (one != other) & (family[one] == family[other])
    one, weight = one[related], chars[links.inner[related]]
    total = np.bincount(one, weight * links.similarity[related], len(family))
    mean = total / np.maximum(np.bincount(one, weight, len(family)), 1)
    members = np.bincount(family, minlength=len(family))[family]
    return np.where(members >= SEVERAL, mean, 0.0)


def _scripts(column: pa.ChunkedArray, chars: I64, book: I64, books: int) -> tuple[list[str], str]:
    """The script that most of each book, and most of all books, is written in; empty where there is none."""
    coded = column.combine_chunks().dictionary_encode()
    names = coded.dictionary.to_pylist()
    if not names:
        return [""] * books, ""
    written = np.zeros((books, len(names)), np.int64)
    np.add.at(written, (book, coded.indices.to_numpy()), np.where(np.array(names) == "", 0, 1)[coded.indices] * chars)
    total = written.sum(axis=0)
    prevailing = [names[i] if row[i] else "" for row, i in zip(written, written.argmax(axis=1), strict=True)]
    return prevailing, names[int(total.argmax())] if total.any() else ""


def ranks(standing: Sequence[Standing]) -> I64:
    """The rank of each book; 0 is kept before all others."""
    rank = np.empty(len(standing), np.int64)
    rank[sorted(range(len(standing)), key=lambda i: standing[i].rank())] = np.arange(len(standing))
    return rank

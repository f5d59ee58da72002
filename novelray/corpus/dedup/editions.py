"""Books that are the same work: how much of one stands in the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from novelray.corpus.dedup.groups import I64, groups_of, runs_of

COVERED = 0.5  # share of a chapter's grams found in another book from which the chapter counts as being there
EDITION = 0.8  # share of a book's characters in such chapters from which the book is an edition or a part of the other
PART = 0.5  # share of one of two chapters found in the other, from which they count as that, and not as one passage
BOTH_WAYS = 0.5  # the same share of the larger book, from which they are editions of each other


@dataclass(frozen=True)
class Links:
    """Chapters found in other chapters: row `inner` has `share` (0 to 1) of its grams in row `outer`.

    `back`: the share of the outer row's grams in the inner one.
    """

    inner: I64
    outer: I64
    share: npt.NDArray[np.float64]
    back: npt.NDArray[np.float64]
    similarity: npt.NDArray[np.float64]

    def between(self, stands: I64) -> Links:
        """The links between the rows that stand for others, none of them with itself."""
        inner, outer = stands[self.inner], stands[self.outer]
        return Links(inner, outer, self.share, self.back, self.similarity).chosen(inner != outer)

    def chosen(self, which: npt.NDArray) -> Links:
        columns = (self.inner, self.outer, self.share, self.back, self.similarity)
        return Links(*(column[which] for column in columns))


@dataclass(frozen=True)
class Overlaps:
    """How much of book `inner[i]` stands in book `outer[i]`: a share of its characters in chapters that are there."""

    inner: I64
    outer: I64
    share: npt.NDArray[np.float64]

    def families(self, books: int) -> I64:
        """A number per book, the same for editions of one work and the collections that contain it."""
        same = self.share >= EDITION
        return groups_of(books, self.inner[same], self.outer[same])

    def editions(self, books: int) -> I64:
        """A number per book, the same for editions of one work alone."""
        back = {
            (i, o): s for i, o, s in zip(self.inner.tolist(), self.outer.tolist(), self.share.tolist(), strict=True)
        }
        pairs = [(i, o) for (i, o), s in back.items() if s >= EDITION and back.get((o, i), 0.0) >= BOTH_WAYS]
        return groups_of(books, [i for i, _ in pairs], [o for _, o in pairs])


def covered(links: Links, book: I64) -> tuple[I64, I64, npt.NDArray[np.float64]]:
    """(row, other book, share): how much of a chapter stands in the chapters of another book, taken together.

    A passage that many chapters quote would add up to the whole of one, and counts only where it is most of one.
    """
    counts = (book[links.inner] != book[links.outer]) & (np.maximum(links.share, links.back) >= PART)
    rows, others, shares = links.inner[counts], book[links.outer[counts]], links.share[counts]
    order = np.lexsort((others, rows))
    rows, others, shares = rows[order], others[order], shares[order]
    starts, _ = runs_of(rows * (int(book.max(initial=0)) + 1) + others)
    summed = np.add.reduceat(shares, starts) if len(starts) else shares
    return rows[starts], others[starts], np.minimum(summed, 1.0)


def overlaps(links: Links, book: I64, chars: I64) -> Overlaps:
    """How much of each book stands in each other one. `book`, `chars`: per row."""
    rows, others, shares = covered(links, book)
    there = shares >= COVERED
    rows, others = rows[there], others[there]
    order = np.lexsort((others, book[rows]))
    inner, outer, size = book[rows][order], others[order], chars[rows][order]
    starts, _ = runs_of(inner * (int(book.max(initial=0)) + 1) + outer)
    found = np.add.reduceat(size, starts) if len(starts) else size
    total = np.bincount(book, weights=chars)
    return Overlaps(inner[starts], outer[starts], found / np.maximum(total[inner[starts]], 1))

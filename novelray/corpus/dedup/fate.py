"""What becomes of each chapter: kept, or gone for the sake of one that is kept and that it resembles itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from novelray.corpus.dedup.editions import COVERED, Links, covered
from novelray.corpus.dedup.groups import I64, runs_of
from novelray.corpus.dedup.settle import settle
from novelray.recipe.dedup import DedupSection

KINDS = np.array(["exact", "near", "edition", "contained"])
_EXACT, _NEAR, _EDITION, _CONTAINED = range(4)


@dataclass(frozen=True)
class Fate:
    """Per row: the row for whose sake it goes (itself where it is kept), and how it resembles that one."""

    keeper: I64
    kind: I64
    similarity: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]

    def let_go(self, rows: I64, links: Links, which: I64, kind: npt.ArrayLike) -> None:
        """Rows go for the outer ends of links `which`."""
        self.keeper[rows], self.kind[rows] = links.outer[which], kind
        self.similarity[rows], self.share[rows] = links.similarity[which], links.share[which]


@dataclass(frozen=True)
class Rows:
    """Per row: number of its book; its place in the order in which chapters are preferred; of its book the family
    (editions and collections) and the work (editions alone)."""

    book: I64
    place: I64
    family: I64
    work: I64


def fate_of(links: Links, digest: I64, rows: Rows, section: DedupSection) -> Fate:
    """Of equal chapters the best placed stands for all; then the rest is settled among those."""
    count = len(rows.book)
    stands = _best_of(digest, rows.place) if section.exact else np.arange(count)
    fate = Fate(np.arange(count), np.full(count, _EXACT), np.ones(count), np.ones(count))
    if section.near:
        links = links.between(stands)
        _settle(fate, links, rows, section)
        _leave_to_the_best_edition(fate, links, rows)
        _leave_to_the_longer(fate, links, rows, section.contained)
    copies = np.flatnonzero(stands != np.arange(count))
    original = stands[copies]
    kept = fate.keeper[original] == original
    for column in (fate.kind, fate.similarity, fate.share):
        column[copies] = column[original]
    fate.kind[copies[kept]] = _EXACT
    fate.keeper[copies] = fate.keeper[original]
    return fate


def _best_of(digest: I64, place: I64) -> I64:
    """For each row the best placed one with the same digest."""
    order = np.lexsort((place, digest))
    starts, sizes = runs_of(digest[order])
    best = np.empty(len(digest), np.int64)
    best[order] = np.repeat(order[starts], sizes)
    return best


def _settle(fate: Fate, links: Links, rows: Rows, section: DedupSection) -> None:
    """What resembles a chapter that is preferred to it goes, and what a longer one contains."""
    kind = _kinds(links, rows, section)
    may_go = (kind == _CONTAINED) | ((kind != -1) & (rows.place[links.outer] < rows.place[links.inner]))
    order = _best_first(links, rows.place)
    order = order[may_go[order]]
    edge = settle(links.inner[order], links.outer[order], rows.place)
    gone = np.flatnonzero(edge >= 0)
    which = order[edge[gone]]
    fate.let_go(gone, links, which, kind[which])


def _kinds(links: Links, rows: Rows, section: DedupSection) -> I64:
    """Why the inner row of each link may go; -1 where it may not."""
    kind = np.full(len(links.inner), -1)
    kind[links.share >= section.contained] = _CONTAINED
    kind[links.similarity >= section.threshold] = _NEAR
    other_book = rows.book[links.inner] != rows.book[links.outer]
    same_work = other_book & (rows.work[links.inner] == rows.work[links.outer])
    kind[same_work & ((links.share >= COVERED) | (kind == _NEAR))] = _EDITION
    return kind


def _best_first(links: Links, place: I64) -> I64:
    """The links in the order in which they are reasons for a chapter to go."""
    order: I64 = np.lexsort((place[links.outer], -links.share, -links.similarity))
    return order


def _leave_to_the_best_edition(fate: Fate, links: Links, rows: Rows) -> None:
    """Chapters that another edition divides otherwise: what its kept chapters hold together goes as well."""
    order = np.lexsort((rows.place, rows.family))
    starts, sizes = runs_of(rows.family[order])
    best = np.empty(len(order), np.int64)
    best[order] = np.repeat(rows.book[order[starts]], sizes)  # the book of each family that is preferred
    kept = fate.keeper == np.arange(len(order))
    to_best = (rows.book[links.outer] == best[links.inner]) & (rows.book[links.inner] != best[links.inner])
    links = links.chosen(to_best & kept[links.inner] & kept[links.outer])
    gone, _, share = covered(links, rows.book)
    gone, share = gone[share >= COVERED], share[share >= COVERED]
    order = np.lexsort((-links.share, links.inner))
    largest = order[np.searchsorted(links.inner[order], gone)]
    same_work = rows.work[gone] == rows.work[links.outer[largest]]
    fate.let_go(gone, links, largest, np.where(same_work, _EDITION, _CONTAINED))
    fate.share[gone] = share


def _leave_to_the_longer(fate: Fate, links: Links, rows: Rows, contained: float) -> None:
    """Chapters of a better edition that a longer chapter contains, which stays for what it has besides."""
    kept = fate.keeper == np.arange(len(rows.book))
    needed = np.bincount(fate.keeper, minlength=len(kept)) > 1
    may_go = kept[links.inner] & ~needed[links.inner] & kept[links.outer] & (links.share >= contained)
    order = _best_first(links, rows.place)
    links = links.chosen(order[may_go[order]])
    edge = settle(links.inner, links.outer, rows.place)
    gone = np.flatnonzero(edge >= 0)
    fate.let_go(gone, links, edge[gone], _CONTAINED)

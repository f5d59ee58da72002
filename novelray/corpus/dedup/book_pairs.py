"""Which books have chapters in common, how they are related, and why one of them is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novelray.corpus.dedup.editions import BOTH_WAYS, EDITION, Overlaps
from novelray.corpus.dedup.groups import I64
from novelray.corpus.dedup.standing import Standing


@dataclass(frozen=True)
class BookPair:
    """Two books with chapters in common. `share`: of `other`'s characters, in chapters that are also in `kept`.

    `relation`: `edition` of the same work; `part`: one contains the other; `overlap`: some chapters.
    `removed`: chapters of `other` that went for the sake of one in `kept`. `why`: for what `kept` is preferred.
    """

    kept: str
    other: str
    relation: str
    share: float
    removed: int
    why: str


def book_pairs(
    common: Overlaps, standing: Sequence[Standing], family: I64, rank: I64, gone: I64, kept: I64
) -> list[BookPair]:
    """Pairs of which one lost chapters to the other, or has its work's best edition in it; most removed first.

    `family`, `rank`: per book; `gone`, `kept`: the books of each removed chapter and of the one for whose sake it went.
    """
    best: dict[int, int] = {}
    for number in np.argsort(rank).tolist():
        best.setdefault(int(family[number]), number)
    share = {
        (i, o): s for i, o, s in zip(*(c.tolist() for c in (common.inner, common.outer, common.share)), strict=True)
    }
    removed = Counter(pair for pair in zip(gone.tolist(), kept.tolist(), strict=True) if pair[0] != pair[1])
    linked = {pair for pair, part in share.items() if part >= EDITION} | set(removed)
    pairs = {(one, other) if rank[one] > rank[other] else (other, one) for one, other in linked}
    found = []
    for one, other in pairs:
        if not removed[(one, other)] and other != best[int(family[other])]:
            continue  # of two editions that both go, neither is kept
        there, back = share.get((one, other), 0.0), share.get((other, one), 0.0)
        relation = "overlap" if max(there, back) < EDITION else "edition" if min(there, back) >= BOTH_WAYS else "part"
        names, lost = (standing[other].book, standing[one].book), removed[(one, other)]
        found.append(BookPair(*names, relation, round(there, 4), lost, standing[other].reason(standing[one])))
    return sorted(found, key=lambda pair: (-pair.removed, pair.kept, pair.other))

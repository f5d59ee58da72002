"""Choosing the real headings among possible ones: the heaviest chain whose numbers run as a book's do.

Numbers rise by one; a gap, a start after 1 and a restart (a new volume) cost something.
"""

from __future__ import annotations

import string
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from novelray.corpus.split.marks import Mark

TINY = 40  # characters (an alphabet's letters count a half) below which what follows a heading is no chapter
GAP_COST, MOST_GAP_COST = 0.2, 3.0
RESTART_COST, LICENSED_RESTART_COST = 3.0, 0.3
WIDEST_GAP = 30  # numbers that may be missing in one place
_GAP_COSTS = [min(GAP_COST * max(0, step - 1), MOST_GAP_COST) for step in range(WIDEST_GAP + 1)]
SAMPLE = 2000  # characters from which the size of a longer body is judged

_LETTERS = string.ascii_letters.encode()


@dataclass(frozen=True, slots=True)
class Link:
    """A mark in a chain, with the number that it is taken to mean. `restarted`: the numbering began anew here."""

    mark: Mark
    value: int
    restarted: bool = False

    @property
    def last(self) -> int:
        """The last number that the heading covers."""
        return self.value + self.mark.span


@dataclass(frozen=True, slots=True)
class _State:
    score: float
    link: Link
    previous: _State | None


def body_size(text: str, start: int, end: int) -> float:
    """About how many characters stand between two places: no blanks, and an alphabet's letters count a half."""
    piece = text[start : min(end, start + SAMPLE)]
    if not piece:
        return 0.0
    latin = piece.encode("ascii", "ignore")
    blanks = sum(piece.count(blank) for blank in " \n\t\u3000")
    size = len(piece) - blanks - 0.5 * (len(latin) - len(latin.translate(None, _LETTERS)))
    return size * (end - start) / len(piece)


def bodies(chain: Sequence[Link], text: str) -> list[float]:
    """The size of what follows each heading of a chain."""
    ends = [*(link.mark.start for link in chain[1:]), len(text)]
    return [body_size(text, link.mark.end, end) for link, end in zip(chain, ends, strict=True)]


def best_chain(marks: Sequence[Mark], volumes: Sequence[Mark], text: str) -> tuple[float, list[Link]]:
    """The heaviest chain through `marks` (one family, ordered by place) and its score; (0, []) without marks."""
    ends: dict[int, _State] = {}
    top: _State | None = None
    places = [v.start for v in volumes]
    for mark in marks:
        states = [_extend(mark, i, value, ends, top, places, text) for i, value in enumerate(mark.values)]
        for state in states:
            held = ends.get(state.link.last)
            if held is None or state.score > held.score:  # of equals the first: what comes again may be a running head
                ends[state.link.last] = state
            if top is None or state.score > top.score:
                top = state
    chain: list[Link] = []
    state_or_none = top
    while state_or_none is not None:
        chain.append(state_or_none.link)
        state_or_none = state_or_none.previous
    return (top.score if top else 0.0), chain[::-1]


def _extend(
    mark: Mark, rank: int, value: int, ends: dict[int, _State], top: _State | None, volumes: list[int], text: str
) -> _State:
    weight = mark.weight * (0.95 if rank else 1.0)
    best = _State(weight - min(GAP_COST * abs(value - 1), MOST_GAP_COST), Link(mark, value), None)
    for step in range(0 if mark.part else 1, WIDEST_GAP + 1):
        gained = weight - _GAP_COSTS[step]
        if top is None or top.score + gained <= best.score:
            break  # no chain is heavier than the top one, and wider gaps only cost more
        before = ends.get(value - step)
        if before is None or (not step and before.link.mark.part in ("", mark.part)):
            continue
        score = before.score + gained
        if score > best.score and (score := score - _crowding(before, mark, text)) > best.score:
            best = _State(score, Link(mark, value), before)
    if top is not None and value <= 1:
        # A volume's chapters are numbered anew; so are the chapters after a book's letters.
        licensed = _between(volumes, top.link.mark.start, mark.start) or top.link.mark.label != mark.label
        licensed = licensed or mark.volume != top.link.mark.volume
        cost = LICENSED_RESTART_COST if licensed and mark.anchored else RESTART_COST
        score = top.score + weight - cost - _crowding(top, mark, text)
        if score > best.score:
            best = _State(score, Link(mark, value, True), top)
    return best


def _crowding(before: _State, mark: Mark, text: str) -> float:
    """Two headings with nothing between them are hardly two chapters."""
    end = before.link.mark.end
    if mark.start - end > 4 * TINY:
        return 0.0
    return 0.8 * before.link.mark.weight if body_size(text, end, mark.start) < TINY else 0.0


def _between(places: list[int], start: int, end: int) -> bool:
    return bisect_right(places, end) > bisect_right(places, start)

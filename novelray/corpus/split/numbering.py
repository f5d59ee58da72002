"""Choosing the real headings among possible ones: the heaviest chain whose numbers run as a book's do.

Numbers rise by one; a gap, a start after 1 and a restart (a new volume) cost something.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

from novelray.corpus.split.body import TINY, body_size
from novelray.corpus.split.marks import Mark

GAP_COST, MOST_GAP_COST = 0.2, 3.0
RESTART_COST, LICENSED_RESTART_COST = 3.0, 0.3
WIDEST_GAP = 30  # numbers that may be missing in one place
_GAP_COSTS = [min(GAP_COST * max(0, step - 1), MOST_GAP_COST) for step in range(WIDEST_GAP + 1)]


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


@dataclass(slots=True)
class _Chains:
    """The heaviest chain to each last number (`numbers` are these in order), and the heaviest of all."""

    ends: dict[int, _State]
    numbers: list[int]
    top: _State

    @classmethod
    def of(cls, state: _State) -> _Chains:
        return cls({state.link.last: state}, [state.link.last], state)

    def add(self, state: _State) -> None:
        """Take in a chain; of equals the first stays: what comes again may be a running head."""
        last = state.link.last
        held = self.ends.get(last)
        if held is None:
            insort(self.numbers, last)
        if held is None or state.score > held.score:
            self.ends[last] = state
        if state.score > self.top.score:
            self.top = state

    def below(self, value: int, least: int) -> list[int]:
        """The last numbers from `least` to `WIDEST_GAP` below `value`, the nearest first."""
        low = bisect_left(self.numbers, value - WIDEST_GAP)
        return self.numbers[low : bisect_right(self.numbers, value - least)][::-1]


def bodies(chain: Sequence[Link], text: str) -> list[float]:
    """The size of what follows each heading of a chain."""
    ends = [*(link.mark.start for link in chain[1:]), len(text)]
    return [body_size(text, link.mark.end, end) for link, end in zip(chain, ends, strict=True)]


def best_chain(marks: Sequence[Mark], volumes: Sequence[Mark], text: str) -> tuple[float, list[Link]]:
    """The heaviest chain through `marks` (one family, ordered by place) and its score; (0, []) without marks."""
    chains: _Chains | None = None
    places = [v.start for v in volumes]
    for mark in marks:
        for state in [_extend(mark, i, value, chains, places, text) for i, value in enumerate(mark.values)]:
            if chains is None:
                chains = _Chains.of(state)
            else:
                chains.add(state)
    chain: list[Link] = []
    state_or_none = chains.top if chains else None
    while state_or_none is not None:
        chain.append(state_or_none.link)
        state_or_none = state_or_none.previous
    return (chains.top.score if chains else 0.0), chain[::-1]


def _extend(mark: Mark, rank: int, value: int, chains: _Chains | None, volumes: list[int], text: str) -> _State:
    weight = mark.weight * (0.95 if rank else 1.0)
    best, previous = weight - min(GAP_COST * abs(value - 1), MOST_GAP_COST), None
    if chains is None:
        return _State(best, Link(mark, value), None)
    top, ends = chains.top, chains.ends
    for last in chains.below(value, 0 if mark.part else 1):
        gained = weight - _GAP_COSTS[value - last]
        if top.score + gained <= best:
            break  # no chain is heavier than the top one, and wider gaps only cost more
        before = ends[last]
        if last == value and before.link.mark.part in ("", mark.part):
            continue
        score = before.score + gained
        if score > best and (score := score - _crowding(before, mark, text)) > best:
            best, previous = score, before
    if value <= 1 and (anew := top.score + weight - _anew_cost(top, mark, volumes) - _crowding(top, mark, text)) > best:
        return _State(anew, Link(mark, value, True), top)
    return _State(best, Link(mark, value), previous)


def _anew_cost(top: _State, mark: Mark, volumes: list[int]) -> float:
    """What it costs that the numbering begins anew: little for a volume's chapters, and for those after letters."""
    licensed = _between(volumes, top.link.mark.start, mark.start) or top.link.mark.label != mark.label
    licensed = licensed or mark.volume != top.link.mark.volume
    return LICENSED_RESTART_COST if licensed and mark.anchored else RESTART_COST


def _crowding(before: _State, mark: Mark, text: str) -> float:
    """Two headings with nothing between them are hardly two chapters."""
    end = before.link.mark.end
    if mark.start - end > 4 * TINY:
        return 0.0
    return 0.8 * before.link.mark.weight if body_size(text, end, mark.start) < TINY else 0.0


def _between(places: list[int], start: int, end: int) -> bool:
    return bisect_right(places, end) > bisect_right(places, start)

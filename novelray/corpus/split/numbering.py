"""Choosing the real headings among possible ones: the heaviest chain whose numbers run as a book's do.

Numbers rise by one; a gap, a start after 1 and a restart (a new volume) cost something. Tables of contents are found
by their shape and left out.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from novelray.corpus.split.marks import Mark

TINY = 40  # characters (an alphabet's letters count a half) below which what follows a heading is no chapter
GAP_COST, MOST_GAP_COST = 0.2, 3.0
RESTART_COST, LICENSED_RESTART_COST = 3.0, 0.3
WIDEST_GAP = 30  # numbers that may be missing in one place
CONTENTS_RUN = 4  # headings in a row with nothing between them that make a table of contents

_LATIN = re.compile(r"[A-Za-z]")


@dataclass(frozen=True)
class Link:
    """A mark in a chain, with the number that it is taken to mean. `restarted`: the numbering began anew here."""

    mark: Mark
    value: int
    restarted: bool


@dataclass(frozen=True)
class _State:
    score: float
    link: Link
    previous: _State | None


def body_size(text: str, start: int, end: int) -> float:
    """Characters between two places without whitespace, letters of an alphabet counting a half."""
    piece = text[start : min(end, start + 4000)]
    solid = len("".join(piece.split()))
    return solid - 0.5 * len(_LATIN.findall(piece)) + max(0, end - start - 4000)


def best_chain(marks: Sequence[Mark], volumes: Sequence[Mark], text: str) -> tuple[float, list[Link]]:
    """The heaviest chain through `marks` (one family, ordered by place) and its score; (0, []) without marks."""
    ends: dict[int, _State] = {}
    top: _State | None = None
    places = [v.start for v in volumes]
    for mark in marks:
        states = [_extend(mark, i, value, ends, top, places, text) for i, value in enumerate(mark.values)]
        for state in states:
            held = ends.get(state.link.value)
            if held is None or state.score >= held.score:
                ends[state.link.value] = state
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
    best = _State(weight - min(GAP_COST * abs(value - 1), MOST_GAP_COST), Link(mark, value, False), None)
    for step in range(1, WIDEST_GAP + 1):
        before = ends.get(value - step)
        if before is None:
            continue
        score = before.score + weight - min(GAP_COST * (step - 1), MOST_GAP_COST) - _crowding(before, mark, text)
        if score > best.score:
            best = _State(score, Link(mark, value, False), before)
    if top is not None and value == 1:
        licensed = _between(volumes, top.link.mark.start, mark.start) or top.link.mark.label != mark.label
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


def contents_marks(marks: Sequence[Mark], text: str) -> set[Mark]:
    """The marks that stand in a table of contents: a run of headings without bodies whose numbers come again."""
    found: set[Mark] = set()
    for run in _runs(marks, text):
        if len(run) < CONTENTS_RUN:
            continue
        again = _repeated(run, marks)
        numbered = sum(bool(m.values) for m in run)
        if 2 * again >= numbered > 0:
            last_tiny = _is_tiny_after(run[-1], marks, text) or _repeated(run[-1:], marks) == 1
            found |= set(run if last_tiny else run[:-1])
    return found


def _runs(marks: Sequence[Mark], text: str) -> list[list[Mark]]:
    """Maximal runs of headings with nothing between; a run ends where a number of its family falls."""
    runs: list[list[Mark]] = []
    for mark in marks:
        run = runs[-1] if runs else None
        if run and mark.start < run[-1].end:
            continue
        if run and body_size(text, run[-1].end, mark.start) < TINY and not _falls(run, mark):
            run.append(mark)
        else:
            runs.append([mark])
    return runs


def _falls(run: list[Mark], mark: Mark) -> bool:
    """Whether the numbering begins again here: in its volume, or (for a volume or a prologue) in the whole run."""
    if not mark.values:
        return any(m.label == mark.label for m in run)
    first: int | None = None
    for earlier in reversed(run):
        if earlier.family == "volume" != mark.family:
            break
        if earlier.family == mark.family:
            first = earlier.values[0]
    return first is not None and mark.values[0] <= first


def _repeated(run: Sequence[Mark], marks: Sequence[Mark]) -> int:
    """How many of the run's numbers appear outside of it."""
    inside = set(run)
    outside = {(m.family, m.values[0]) for m in marks if m.values and m not in inside}
    return sum(bool(m.values) and (m.family, m.values[0]) in outside for m in run)


def _is_tiny_after(mark: Mark, marks: Sequence[Mark], text: str) -> bool:
    following = next((m.start for m in marks if m.start >= mark.end), len(text))
    return body_size(text, mark.end, following) < TINY

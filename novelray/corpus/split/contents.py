"""Tables of contents, found by their shape: headings in a row with nothing between them whose numbers come again."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from novelray.corpus.split.body import TINY, body_size
from novelray.corpus.split.marks import Mark

CONTENTS_RUN = 4  # headings in a row with nothing between them that make a table of contents


def contents_marks(marks: Sequence[Mark], text: str) -> set[Mark]:
    """The marks that stand in a table of contents; `marks` are ordered by place."""
    found: set[Mark] = set()
    numbers = Counter(_number(m) for m in marks if m.values)
    starts = [m.start for m in marks]
    for run in _runs(marks, text):
        if len(run) < CONTENTS_RUN:
            continue
        inside = Counter(_number(m) for m in run if m.values)
        again = sum(count for number, count in inside.items() if numbers[number] > count)
        if not 2 * again >= sum(inside.values()) > 0:
            continue
        last = run[-1]
        following = bisect_left(starts, last.end)
        end = starts[following] if following < len(starts) else len(text)
        repeated = bool(last.values) and numbers[_number(last)] > inside[_number(last)]
        found |= set(run if repeated or body_size(text, last.end, end) < TINY else run[:-1])
    return found


def _number(mark: Mark) -> tuple[str, int]:
    return mark.family, mark.values[0]


def _runs(marks: Sequence[Mark], text: str) -> list[list[Mark]]:
    """Maximal runs of headings with nothing between; a run ends where a number of its family falls."""
    runs: list[list[Mark]] = []
    first: dict[str, int] = {}  # of each family, the number its part of the run began with
    for mark in marks:
        run = runs[-1] if runs else None
        if run and mark.start < run[-1].end:
            continue
        if run and not _falls(run, first, mark) and body_size(text, run[-1].end, mark.start) < TINY:
            run.append(mark)
        else:
            runs.append([mark])
            first = {}
        if mark.is_volume:  # its chapters may begin again at 1
            first = {family: number for family, number in first.items() if family == mark.family}
        if mark.values:
            first.setdefault(mark.family, mark.values[0])
    return runs


def _falls(run: list[Mark], first: dict[str, int], mark: Mark) -> bool:
    """Whether the listing is over: a number comes again, or a prologue does."""
    if not mark.values:
        return any(not m.values and m.label == mark.label for m in run)
    return mark.family in first and mark.values[0] <= first[mark.family]

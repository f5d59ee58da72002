"""Headings that the chain left out because their number is wrong or comes twice: taken in, set aside, or reported."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from novelray.corpus.split.body import body_size
from novelray.corpus.split.choice import Choice
from novelray.corpus.split.marks import STRONG, Mark
from novelray.corpus.split.numbering import Link

LEAST_SHARE = 0.2  # of the middle chapter, that the text after a repeated heading has when it is a chapter of its own
RUNNING_HEAD = 3  # times a number stands again in its own chapter, from which it is a running head


@dataclass
class Repeats:
    """The chain with the headings taken in; `doubled`: all but the last of headings that stand right below each other.

    `twice`, `running`: headings whose number stands there before, and those that a page's head repeats.
    """

    chain: list[Link]
    doubled: list[Mark] = field(default_factory=list)
    twice: list[Mark] = field(default_factory=list)
    running: list[Mark] = field(default_factory=list)


def with_repeats(choice: Choice, marks: Sequence[Mark], text: str) -> Repeats:
    """Look at the family's other clear headings. `marks`: all outside of tables of contents, ordered by place."""
    found = Repeats(list(choice.chain))
    starts = [link.mark.start for link in choice.chain]
    taken = set(starts)
    groups: defaultdict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        fits = mark.family == choice.family and mark.anchored == choice.anchored and mark.weight >= STRONG
        if fits and mark.values and mark.start not in taken:
            groups[bisect_left(starts, mark.start)].append(mark)
    least = LEAST_SHARE * choice.middle
    for place in sorted(groups, reverse=True):  # from the back: places before stay true
        near = [mark.values[0] for at in (place - 1, place, place + 1) for mark in groups.get(at, ())]
        numbers = Counter(near)
        for mark in groups[place]:
            if numbers[mark.values[0]] < RUNNING_HEAD:
                place += _take(found, mark, place, least, text)
            else:
                found.running.append(mark)
    found.twice.sort(key=lambda mark: mark.start)
    found.running.sort(key=lambda mark: mark.start)
    return found


def _take(found: Repeats, mark: Mark, place: int, least: float, text: str) -> int:
    """Take in a heading that stands before `place` in the chain; how many links came in there."""
    chain = found.chain
    before = chain[place - 1] if place else None
    after = chain[place] if place < len(chain) else None
    if before is not None and mark.label == "roman" != before.mark.label:
        return 0  # sections of a chapter
    ahead = body_size(text, before.mark.end, mark.start) if before else 0.0
    below = body_size(text, mark.end, after.mark.start if after else len(text))
    value: int | None = None  # of a chapter of its own
    if after is not None and mark.values[0] == after.value:
        found.twice.append(mark)
        if below < least:
            found.doubled.append(mark)
        elif ahead >= least:
            value = after.value
    elif before is not None and mark.values[0] == before.value:
        found.twice.append(mark)
        if ahead < least:
            found.doubled.append(before.mark)
            chain[place - 1] = replace(before, mark=mark)
        elif below >= least:
            value = before.value
    elif before and after and not after.restarted and after.value - before.last == 2 and min(ahead, below) >= least:
        value = before.last + 1
    if value is None:
        return 0
    chain.insert(place, Link(mark, value))
    return 1

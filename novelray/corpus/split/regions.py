"""Every heading that begins a piece: the chosen chapters, and volumes, prologues, notes and contents around them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from novelray.corpus.split.body import TINY, body_size
from novelray.corpus.split.choice import Choice
from novelray.corpus.split.choose import divides
from novelray.corpus.split.marks import Mark
from novelray.corpus.split.repeats import Repeats
from novelray.corpus.split.special import APPENDICES
from novelray.corpus.split.titles import Titles

TAIL_SHARE = 0.1  # of the book, that what stands after its "The End" may have at most to be no story
_TAIL_ONLY = (*APPENDICES, "footnotes", "endnotes")

Role = Literal["chapter", "extra", "note", "volume", "repeated", "contents", "prose"]


@dataclass(frozen=True)
class Region:
    """Text from a heading to the next one. `role`: what the heading is; `prose` follows a table of contents.

    `amid`: it stands between the first chapter's heading and the last one's.
    """

    start: int
    mark: Mark | None
    role: Role
    amid: bool = False


def dividers(choice: Choice, repeats: Repeats, marks: Sequence[Mark], text: str) -> list[Mark]:
    """Volumes, prologues and notes around the chosen headings. `marks`: all outside of tables of contents."""
    if not choice.anchored:
        return []
    first, last = repeats.chain[0].mark.start, repeats.chain[-1].mark.start
    level = choice.chain[0].mark.level if choice.family.startswith("heading") else 0
    found: list[Mark] = []
    for mark in marks:
        if mark.family == "end":
            found += _after_the_end(mark, last, text)
        elif level and 0 < mark.level < level:
            found.append(mark)
        elif divides(mark, choice.family):
            # An appendix or a production note amid the chapters belongs to the one before it.
            tail_only = mark.label.lower().startswith(_TAIL_ONLY) or "transcriber" in mark.label
            if not tail_only or not first < mark.start < last:
                found.append(mark)
    return found


def _after_the_end(mark: Mark, last: int, text: str) -> Iterator[Mark]:
    is_tail = mark.start > last and len(text) - mark.end <= TAIL_SHARE * len(text)
    if is_tail and text[mark.end :].strip():
        yield replace(mark, start=mark.end + 1, end=mark.end + 1, title="")


def regions(repeats: Repeats, around: Sequence[Mark], contents: set[Mark], named: Titles, text: str) -> list[Region]:
    """All regions, ordered by place; what stands inside another heading's title begins none."""
    first, last = repeats.chain[0].mark.start, repeats.chain[-1].mark.start
    found: dict[int, Region] = {}
    for listed in _spans(contents, [*(link.mark.start for link in repeats.chain), *(m.start for m in around)]):
        found[listed[0].start] = Region(listed[0].start, None, "contents")
        found[listed[-1].end] = Region(listed[-1].end, None, "prose")
    found.pop(len(text), None)
    for mark in around:
        found[mark.start] = Region(mark.start, mark, _role(mark), first < mark.start < last)
    for mark in repeats.doubled:
        found[mark.start] = Region(mark.start, mark, "repeated")
    for link in repeats.chain:
        role: Role = "note" if link.mark.family == "note" else "chapter"
        found[link.mark.start] = Region(link.mark.start, link.mark, role)
    ordered = [found[start] for start in sorted(found)]
    return _without_epigraphs(_outside_titles(ordered, named), named, text)


def _role(mark: Mark) -> Role:
    if mark.family == "extra":
        return "extra"
    return "note" if mark.family in ("note", "end") else "volume"


def _spans(contents: set[Mark], others: list[int]) -> list[list[Mark]]:
    """The listed headings as runs that no real heading interrupts."""
    places = sorted(others)
    runs: dict[int, list[Mark]] = {}
    for mark in sorted(contents, key=lambda m: m.start):
        runs.setdefault(bisect_right(places, mark.start), []).append(mark)
    return list(runs.values())


def _outside_titles(ordered: list[Region], named: Titles) -> list[Region]:
    """A word like Introduction in the line below a chapter's number is that chapter's title."""
    kept, end = [], 0
    for region in ordered:
        if region.start >= end:
            kept.append(region)
            end = named[region.start][1] if region.start in named else end
    return kept


def _without_epigraphs(ordered: list[Region], named: Titles, text: str) -> list[Region]:
    """A note right below a chapter's heading (题记, 作者按) opens that chapter; the story follows it."""
    kept: list[Region] = []
    for region in ordered:
        above = kept[-1] if kept else None
        below = above is not None and region.role == "note" and above.role == "chapter"
        if not (above and below and body_size(text, named[above.start][1], region.start) < TINY):
            kept.append(region)
    return kept

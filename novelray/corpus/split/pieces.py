"""A book's text to its chapters. Every character belongs to exactly one piece, and pieces stand in the book's order.

The rule family is the one whose numbers run best over chapters of plausible length; a book with none stays one piece.
What the book itself numbers wrongly is reported and not hidden.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from novelray.corpus.read.book_text import HEADING
from novelray.corpus.split.body import TINY, body_size
from novelray.corpus.split.choose import choose
from novelray.corpus.split.errors import confidence, numbering_errors
from novelray.corpus.split.marks import Mark, find_marks
from novelray.corpus.split.regions import Region, dividers, regions
from novelray.corpus.split.repeats import with_repeats
from novelray.corpus.split.special import is_announcement
from novelray.corpus.split.titles import Titles, titles

VOLUME_TEXT = 600  # a volume's heading with less text than this belongs to the chapter after it
FRONT_PROSE = 300  # text before the first chapter with less than this is a title page
LONGEST_ANNOUNCEMENT = 3000  # a chapter called so with more text than this is story all the same
LONGEST_NOTE_AMID = 6000  # a note between chapters with more text than this may have swallowed some of the story

_PREFACE = re.compile(f"(?:{HEADING}[1-6])?[\\s]*(?:[自原代總总][序叙敘]|[序叙敘](?![章幕曲])|凡例|弁言|前言)")
_LABEL = re.compile(r"^.*?[章回节節话話\]】](?:[（(].*?[）)])?[ \t\u3000:：、.．—-]*")

Kind = Literal["chapter", "front", "contents", "notes", "repeated"]


@dataclass(frozen=True)
class Piece:
    """`text[start:end]`; after its heading the body begins at `body`. `volume`: the heading of its volume, or "".

    `front`: a title page; `contents`: a table of contents; `notes`: prefaces, afterwords, announcements and production
    notes; `repeated`: a heading that stands twice, with what stands between. Only a `chapter` is story.
    """

    start: int
    body: int
    end: int
    title: str
    kind: Kind
    volume: str = ""


@dataclass(frozen=True)
class SplitBook:
    """The pieces, the rule that found them (`none`: no chapters), how sure it is (0 to 1), the book's own errors."""

    pieces: list[Piece]
    rule: str
    confidence: float
    numbering: list[str]

    @property
    def chapters(self) -> list[Piece]:
        return [p for p in self.pieces if p.kind == "chapter"]


def split_book(text: str, title: str = "") -> SplitBook:
    """Find the chapters of a cleaned text. `title` names what has no heading of its own."""
    marks = find_marks(text)
    choice, contents, looked_at = choose(marks, text)
    if choice is None:
        return SplitBook([Piece(0, 0, len(text), title, "chapter")] if text else [], "none", 0.0, [])
    repeats = with_repeats(choice, [m for m in looked_at if m not in contents], text)
    around = dividers(choice, repeats, [m for m in marks if m not in contents], text)
    volumes = [m for m in around if m.family not in ("extra", "note", "end")]
    named = titles(text, [link.mark for link in repeats.chain], volumes, not choice.anchored)
    pieces, empty = _pieces(text, title, regions(repeats, around, contents, named, text), named)
    errors = [*choice.errors, *numbering_errors(repeats, empty)]
    return SplitBook(pieces, choice.rule, confidence(choice), errors)


def _pieces(text: str, title: str, found: list[Region], named: Titles) -> tuple[list[Piece], list[str]]:
    """Regions to pieces; a heading with nothing below goes with the piece after it. Also: chapters without text."""
    pieces, empty = [], []
    if found[0].start:
        pieces.append(_unheaded(text, 0, found[0].start, title))
    carried: int | None = None
    volumes: dict[str, str] = {}
    ends = [*(region.start for region in found[1:]), len(text)]
    for region, end in zip(found, ends, strict=True):
        start = region.start
        if region.mark is None:
            if carried is not None:  # a heading right above a table of contents is a title page's
                pieces.append(Piece(carried, carried, start, title, "front"))
                carried = None
            _add_listed(pieces, _listed(text, region, end, title))
            continue
        heading, body = named.get(start, (region.mark.title, region.mark.end))
        size = body_size(text, body, end)
        if region.role == "volume":
            _open_volume(volumes, region.mark, heading)
        if end < len(text) and size < (VOLUME_TEXT if region.role == "volume" else TINY):
            carried = start if carried is None else carried
            empty += [heading] if region.role == "chapter" else []
            continue
        volume = region.mark.volume or " / ".join(volumes.values())
        pieces.append(Piece(start if carried is None else carried, body, end, heading, _kind(region, size), volume))
        carried = None
    assert carried is None
    assert sum(p.end - p.start for p in pieces) == len(text)
    return pieces, empty


def _kind(region: Region, size: float) -> Kind:
    assert region.mark is not None
    if region.role == "repeated":
        return "repeated"
    if region.role == "note" and not (region.amid and size > LONGEST_NOTE_AMID):
        return "notes"
    own = _LABEL.sub("", region.mark.title) if region.mark.values else region.mark.title
    return "notes" if size < LONGEST_ANNOUNCEMENT and is_announcement(own) else "chapter"


def _open_volume(volumes: dict[str, str], mark: Mark, heading: str) -> None:
    """A volume's heading ends the volume before it of its own unit, with the parts inside that."""
    if mark.label in volumes:
        labels = list(volumes)
        for label in labels[labels.index(mark.label) :]:
            del volumes[label]
    volumes[mark.label] = heading


def _listed(text: str, region: Region, end: int, title: str) -> Piece:
    """A table of contents; or the text after one, which is part of it unless it is prose."""
    if region.role == "contents":
        return Piece(region.start, region.start, end, title, "contents")
    piece = _unheaded(text, region.start, end, title)
    return replace(piece, kind="contents") if piece.kind == "front" else piece


def _add_listed(pieces: list[Piece], piece: Piece) -> None:
    """One table of contents is one piece."""
    if pieces and pieces[-1].kind == piece.kind == "contents":
        pieces[-1] = replace(pieces[-1], end=piece.end)
    else:
        pieces.append(piece)


def _unheaded(text: str, start: int, end: int, title: str) -> Piece:
    """Text without a heading: a title page, a preface, or prose such as an opening."""
    piece = text[start:end]
    if body_size(text, start, end) < FRONT_PROSE or sum(piece.count(mark) for mark in "。！？.!?") <= 2:
        return Piece(start, start, end, title, "front")
    return Piece(start, start, end, title, "notes" if _PREFACE.match(piece) else "chapter")

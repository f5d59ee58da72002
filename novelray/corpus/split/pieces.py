"""A book's text to its chapters. Every character belongs to exactly one piece, and pieces stand in the book's order.

The rule family is the one whose numbers run best over chapters of plausible length; a book with none stays one piece.
What the book itself numbers wrongly is reported and not hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median
from typing import Literal

from novelray.corpus.split.marks import VOLUME_UNITS, Mark, find_marks
from novelray.corpus.split.numbering import TINY, Link, best_chain, body_size, contents_marks

LEAST_SCORE = 1.5  # two clear headings
SHORTEST_MEDIAN = 60.0  # `body_size` of the middle chapter below which numbered lines are a list, not chapters
VOLUME_TEXT = 600  # a volume's heading with less text than this belongs to the chapter after it
FRONT_PROSE = 300  # text before the first chapter with less than this is a title page
APPENDICES = ("附录", "附錄", "appendix")
_STRONG = 0.5

Kind = Literal["chapter", "front", "contents"]


@dataclass(frozen=True)
class Piece:
    """`text[start:end]`; after its heading the body begins at `body`.

    `front`: a title page; `contents`: a table of contents; both are counted and left out.
    """

    start: int
    body: int
    end: int
    title: str
    kind: Kind


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


@dataclass(frozen=True)
class _Choice:
    family: str
    score: float
    chain: list[Link]
    anchored: bool


def split_book(text: str, title: str = "") -> SplitBook:
    """Find the chapters of a cleaned text. `title` names what has no heading of its own."""
    marks = find_marks(text)
    choice, contents = _choose(marks, text)
    if choice is None:
        return SplitBook([Piece(0, 0, len(text), title, "chapter")] if text else [], "none", 0.0, [])
    starts, repeats = _with_repeats(choice, [m for m in marks if m not in contents], text)
    dividers = [m for m in marks if m not in contents and _divides(m, choice.family)] if choice.anchored else []
    last = choice.chain[-1].mark.start  # an appendix amid the chapters belongs to the one before it
    dividers = [m for m in dividers if m.start > last or m.label.lower() not in APPENDICES]
    pieces = _pieces(text, title, starts, dividers, contents)
    rule = f"{choice.family.removeprefix('zh:')} ({'line' if choice.anchored else 'inline'})"
    return SplitBook(pieces, rule, _confidence(choice, text), [*_gaps(starts), *repeats])


def _choose(marks: list[Mark], text: str) -> tuple[_Choice | None, set[Mark]]:
    """The best family's chain, and the marks that stand in tables of contents."""
    best: _Choice | None = None
    contents: set[Mark] = set()
    for family in sorted({m.family for m in marks} - {"extra"}):
        own = [m for m in marks if m.family == family]
        around = [m for m in marks if m.anchored and _divides(m, family)]
        listed = contents_marks(sorted([*own, *around], key=lambda m: m.start), text)
        usable = [m for m in _without_overlaps(own) if m not in listed]
        choice = _choice(family, usable, [m for m in around if m.family != "extra" and m not in listed], text)
        contents |= listed
        if choice is not None and (best is None or choice.score > best.score):
            best = choice
    return best, contents


def _choice(family: str, usable: list[Mark], volumes: list[Mark], text: str) -> _Choice | None:
    lines = [m for m in usable if m.anchored]
    options = [_Choice(family, *best_chain(lines, volumes, text), True)]
    if len(lines) < len(usable):
        inline = _Choice(family, *best_chain(usable, volumes, text), False)
        if inline.score > 2 * options[0].score:
            options = [inline]
    choice = options[0]
    if choice.score < LEAST_SCORE or len(choice.chain) < 2 or _middle(choice, text) < SHORTEST_MEDIAN:
        return None
    return replace(choice, score=choice.score * (0.7 if family == "volume" else 1.0))


def _divides(mark: Mark, family: str) -> bool:
    """Whether a mark of another family separates what `family` numbers: volumes and prologues do."""
    if mark.family == family:
        return False
    is_volume = mark.family == "volume" or (mark.family[3:4] in VOLUME_UNITS and mark.family.startswith("zh:"))
    return mark.anchored and mark.weight >= _STRONG and (mark.family == "extra" or (is_volume and bool(mark.values)))


def _without_overlaps(marks: Sequence[Mark]) -> list[Mark]:
    """One mark per place: a line's mark hides the inline one inside it."""
    kept: list[Mark] = []
    for mark in marks:
        if not kept or mark.start > kept[-1].start:
            kept.append(mark)
    return kept


def _middle(choice: _Choice, text: str) -> float:
    return median(_bodies(choice.chain, text))


def _bodies(chain: list[Link], text: str) -> list[float]:
    ends = [*(link.mark.start for link in chain[1:]), len(text)]
    return [body_size(text, link.mark.end, end) for link, end in zip(chain, ends, strict=True)]


def _with_repeats(choice: _Choice, marks: list[Mark], text: str) -> tuple[list[Link], list[str]]:
    """Add headings that the chain left out because their number is wrong or comes twice, and say so."""
    chain, errors = list(choice.chain), []
    taken = {link.mark.start for link in chain}
    middle = _middle(choice, text)
    own = [m for m in _without_overlaps([m for m in marks if m.family == choice.family]) if m.weight >= _STRONG]
    for mark in own:
        if mark.start in taken or mark.anchored != choice.anchored:
            continue
        place = sum(link.mark.start < mark.start for link in chain)
        before = chain[place - 1] if place else None
        after = chain[place] if place < len(chain) else None
        if before is None or mark.label == "roman" != before.mark.label:
            continue
        plausible = min(
            body_size(text, before.mark.end, mark.start),
            body_size(text, mark.end, after.mark.start if after else len(text)),
        )
        missing = after is not None and not after.restarted and after.value - before.value == 2
        if mark.values[0] == before.value or (after is not None and mark.values[0] == after.value):
            errors.append(f"{_name(mark)} stands twice")
            if plausible >= 0.2 * middle:
                chain.insert(place, Link(mark, mark.values[0], False))
        elif missing and plausible >= 0.2 * middle:
            chain.insert(place, Link(mark, before.value + 1, False))
    return chain, errors


def _name(mark: Mark) -> str:
    return mark.title[:30]


def _gaps(chain: list[Link]) -> list[str]:
    found = [] if chain[0].value <= 1 else [f"the numbering begins at {chain[0].value}"]
    for before, link in pairwise(chain):
        missing = range(before.value + 1, link.value)
        if not link.restarted and len(missing):
            what = str(missing[0]) if len(missing) == 1 else f"{missing[0]} to {missing[-1]}"
            found.append(f"{what} missing before {_name(link.mark)}")
        if link.value != link.mark.values[0]:
            found.append(f"{_name(link.mark)} stands where {link.value} is expected")
    return found


def _pieces(text: str, title: str, chain: list[Link], dividers: list[Mark], contents: set[Mark]) -> list[Piece]:
    chosen = {link.mark.start: link.mark for link in chain}
    lines = {mark.start: mark for mark in dividers if not _inside(mark, chosen.values())} | chosen
    starts = sorted(lines)
    first = min((m.start for m in lines.values()), default=len(text))
    pieces = _front(text, title, first, contents)
    carried: int | None = None
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        mark = lines[start]
        size = body_size(text, mark.end, end)
        is_volume = mark.start not in chosen and mark.family != "extra"
        if end < len(text) and size < (VOLUME_TEXT if is_volume else TINY):
            carried = start if carried is None else carried
            continue
        pieces.append(Piece(start if carried is None else carried, mark.end, end, mark.title, "chapter"))
        carried = None
    assert carried is None
    assert sum(p.end - p.start for p in pieces) == len(text)
    return pieces


def _inside(mark: Mark, others: Iterable[Mark]) -> bool:
    return any(o.start <= mark.start < o.end for o in others)


def _front(text: str, title: str, first: int, contents: set[Mark]) -> list[Piece]:
    """What stands before the first chapter: a title page, a table of contents, or prose such as a preface."""
    listed = sorted((m for m in contents if m.end <= first), key=lambda m: m.start)
    cuts: list[tuple[int, int, Kind]] = []
    if listed:
        begin, end = listed[0].start, listed[-1].end
        cuts = [(0, begin, "front"), (begin, end, "contents"), (end, first, "front")]
    else:
        cuts = [(0, first, "front")]
    pieces = []
    for start, stop, kind in cuts:
        if start < stop:
            is_prose = (
                kind == "front" and body_size(text, start, stop) >= FRONT_PROSE and _sentences(text[start:stop]) > 2
            )
            pieces.append(Piece(start, start, stop, title, "chapter" if is_prose else kind))
    return pieces


def _sentences(text: str) -> int:
    return sum(text.count(mark) for mark in "。！？.!?")


def _confidence(choice: _Choice, text: str) -> float:
    """How complete the numbering is, how much the marks look like headings, and how alike the chapters' lengths are."""
    chain = choice.chain
    expected = sum(max(1, b.value - a.value) if not b.restarted else b.value for a, b in pairwise(chain))
    complete = len(chain) / (max(1, chain[0].value) + expected)
    bodies = _bodies(chain, text)
    middle = median(bodies)
    alike = Counter(middle / 8 <= size <= middle * 8 for size in bodies)[True] / len(bodies)
    looks = sum(link.mark.weight for link in chain) / len(chain)
    return round(complete * alike * (0.7 + 0.3 * looks), 3)

"""Which rule a book follows: the family of marks whose numbers run best over chapters of plausible length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from novelray.corpus.split.choice import Choice, plausible
from novelray.corpus.split.contents import contents_marks
from novelray.corpus.split.inline import find_inline_marks
from novelray.corpus.split.marks import STRONG, Mark
from novelray.corpus.split.numbering import best_chain, bodies
from novelray.corpus.split.unnumbered import capitals, headings, listed

LEAST_SCORE = 1.5  # two clear headings
SHORTEST_MEDIAN = 60.0  # `body_size` of the middle chapter below which numbered lines are a list, not chapters
VOLUME_SHARE = 0.7  # of its score that a family of volumes keeps: where chapters are numbered too, they win
SECTIONS = ("zh:节", "zh:節", "zh:N", "number")
WHOLE = ("zh:章", "zh:回", "zh:话", "zh:話", "western")
LONGEST_SECTIONED = 40_000.0  # a middle chapter up to this has its sections as scenes
SPARSE = 1500  # characters per line break above which headings are looked for inside the lines too
UNNUMBERED = ("extra", "note", "end", "heading")


def choose(marks: list[Mark], text: str) -> tuple[Choice | None, set[Mark], list[Mark]]:
    """The best family, the marks that stand in tables of contents, and all marks that were looked at."""
    contents: set[Mark] = set()
    found: list[Choice] = []
    for family, usable, volumes in _families(marks, text, contents):
        found += _choice(family, usable, volumes, text)
    found += headings([m for m in marks if m not in contents], text)
    best = _best(found)
    if best is None or text.count("\n") * SPARSE < len(text):
        inline = _inline(marks, contents, text)
        if inline is not None and (best is None or inline[0].score > 2 * best.score):
            return inline[0], contents, inline[1]
    return best or listed(text) or capitals(text), contents, marks


def _best(found: list[Choice]) -> Choice | None:
    """The heaviest choice; where it numbers the sections of chapters that are numbered themselves, these."""
    best = max(found, key=lambda c: c.score, default=None)
    if best is None or not _may_be_sections(best):
        return best
    whole = [c for c in found if c.family in WHOLE and _complete(c) and c.middle <= LONGEST_SECTIONED]
    return max(whole, key=lambda c: c.score, default=best)


def _may_be_sections(choice: Choice) -> bool:
    return choice.family in SECTIONS or sum(a.restarted and a.mark.label == "roman" for a in choice.chain) > 1


def _complete(choice: Choice) -> bool:
    """Whether the chapters are numbered by words (第三章, Chapter 3), from the first on and without a gap."""
    words = all(link.mark.label != "roman" for link in choice.chain)
    whole = all(b.restarted or b.value <= a.last + 1 for a, b in pairwise(choice.chain))
    return words and whole and len(choice.chain) > 2 and choice.chain[0].value <= 1


def _families(marks: list[Mark], text: str, contents: set[Mark]) -> Iterator[tuple[str, list[Mark], list[Mark]]]:
    """Each numbered family's marks outside of contents, and the volumes among which they stand."""
    for family in sorted({m.family for m in marks} - set(UNNUMBERED)):
        own = [m for m in marks if m.family == family]
        around = [m for m in marks if divides(m, family)]
        listed = contents_marks(sorted([*own, *around], key=lambda m: m.start), text)
        contents |= listed
        usable = [m for m in own if m not in listed]
        volumes = [m for m in around if m.family not in ("extra", "note") and m not in listed]
        yield family, usable, volumes
        words = [m for m in usable if m.label != "roman"]
        if 0 < len(words) < len(usable):  # the Roman numbers may be the chapters' sections
            yield family, words, volumes


def divides(mark: Mark, family: str) -> bool:
    """Whether a mark of another family separates what `family` numbers: volumes, prologues and notes do."""
    if mark.family == family or not mark.anchored or mark.weight < STRONG:
        return False
    if mark.label == "roman":
        return family == "number"  # I above 1, 2, 3
    return mark.family in ("extra", "note") or (mark.is_volume and bool(mark.values))


def _choice(family: str, usable: list[Mark], volumes: Sequence[Mark], text: str, anchored: bool = True) -> list[Choice]:
    score, chain = best_chain(usable, volumes, text)
    if score < LEAST_SCORE or len(chain) < 2:
        return []
    choice = Choice(family, score, chain, anchored, bodies(chain, text))
    if choice.middle < SHORTEST_MEDIAN:
        return []
    share = VOLUME_SHARE if chain[0].mark.is_volume else 1.0
    return [replace(choice, score=score * share * plausible(choice.middle))]


def _inline(marks: list[Mark], contents: set[Mark], text: str) -> tuple[Choice, list[Mark]] | None:
    """The best family whose headings stand inside lines, and the marks it was chosen from."""
    lines = [m for m in marks if m not in contents]
    everything = _without_overlaps(sorted([*lines, *find_inline_marks(text)], key=lambda m: (m.start, -m.weight)))
    found: list[Choice] = []
    for family in sorted({m.family for m in everything} - set(UNNUMBERED)):
        found += _choice(family, [m for m in everything if m.family == family], [], text, anchored=False)
    best = _best(found)
    return None if best is None else (best, everything)


def _without_overlaps(marks: Sequence[Mark]) -> list[Mark]:
    """One mark per place: a line's mark hides the inline one inside it."""
    kept: list[Mark] = []
    for mark in marks:
        if not kept or mark.start >= kept[-1].end:
            kept.append(mark)
    return kept

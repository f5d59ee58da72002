"""English headings: CHAPTER ONE, Letter 4, Book II, Chapter the First, and Roman numbers in a line of their own."""

from __future__ import annotations

import re
from typing import NamedTuple

from novelray.corpus.split.numbers import WORD_NUMBER, roman_value, western_value

LONGEST_TITLE = 60  # characters after the number that can still be a title

_CHAPTERS = (
    "Chapter", "Letter", "Adventure", "Stave", "Canto", "Story", "Chap", "Ch", "Tale", "Night", "Episode",
)  # fmt: skip
_VOLUMES = ("Book", "Part", "Volume", "Vol")
_SPELLINGS = (spelling for word in (*_CHAPTERS, *_VOLUMES) for spelling in (word, word.upper()))
HEADING_WORDS = (*_SPELLINGS, "chapter")
NUMBER = rf"([0-9]{{1,4}}|[IVXLC]+|[ivxlc]+|(?i:{WORD_NUMBER}))(?![A-Za-z0-9])"

_WORD = re.compile(
    rf"({'|'.join(sorted(HEADING_WORDS, key=len, reverse=True))})"
    rf"(?:\.?[ \t]+(?:the[ \t]+|THE[ \t]+)?|\.?(?=[0-9])){NUMBER}"
    r"([.:\-—–\])]*[ \t]*)(.*)"
)
_BETWEEN = " \t,.:;-–—"  # stands between a volume and its chapter in one line
_ROMAN = re.compile(r"([IVXLC]+)([.:]?)(?:[ \t—–-]+([A-Z“\"‘'_].*?))?")


class Heading(NamedTuple):
    """What a line says: `Vol. 1 Ch. 12: Home` is chapter 12, which begins at `start`, of the volume `Vol. 1`."""

    family: str
    label: str
    number: int
    weight: float
    title: str
    volume: str = ""
    start: int = 0


def numbered(line: str) -> Heading | None:
    """The English heading that a line is."""
    if match := _WORD.fullmatch(line):
        value = western_value(match[2])
        if value is None or not _goes_on_as_heading(match[3], match[4]):
            return None
        word = match[1].title()
        if word not in _VOLUMES:
            return Heading("western", word.lower(), value, 1.0, match[4])
        inner = numbered(rest) if (rest := match[4].lstrip(_BETWEEN)) else None
        if inner and inner.family == "western" and inner.label != "roman":
            start = len(line) - len(rest)
            return inner._replace(volume=line[:start].strip(_BETWEEN), start=start)
        return Heading("volume", word.lower(), value, 1.0, match[4])
    if match := _ROMAN.fullmatch(line):
        roman, title = roman_value(match[1]), match[3] or ""
        if roman is None or len(title) > LONGEST_TITLE:
            return None
        return Heading("western", "roman", roman, 0.8 if not title else (0.9 if match[2] else 0.5), title)
    return None


def _goes_on_as_heading(separator: str, rest: str) -> bool:
    """`Letter I wrote` is prose; `Letter I`, `Letter I. To Mrs. Saville` and `Chapter 1 Loomings` are headings."""
    rest = rest.strip()
    return not rest or (len(rest) <= LONGEST_TITLE and (bool(separator.strip()) or not rest[0].islower()))

"""Chapters that have no numbers: headings of the format, titles that a table of contents lists, lines in capitals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from novelray.corpus.read.book_text import HEADING
from novelray.corpus.split.choice import Choice, plausible
from novelray.corpus.split.layout import BLANKS
from novelray.corpus.split.lines import line_at
from novelray.corpus.split.marks import Mark
from novelray.corpus.split.numbering import Link, bodies
from novelray.corpus.split.special import is_the_end

WEIGHT = 0.5  # of an unnumbered heading against a numbered one
SHORTEST_TITLED = 150.0  # `body_size` of the middle chapter below which titles are no chapters
LEAST_LISTED, LEAST_FOUND = 3, 0.6  # titles that a table of contents has, and the share of them that the text has
LEAST_CAPITALS, SHORTEST_CAPITALS, LEAST_ALIKE = 4, 500.0, 0.8  # the weakest rule: it must find a regular book
CONTENTS_WITHIN = 200_000  # characters from the start within which a table of contents is looked for
LONGEST_TITLE = 60

_CONTENTS = re.compile(
    rf"(?:\A|\n)(?:{HEADING}[1-6])?[{BLANKS}]*"
    rf"(?:目[{BLANKS}]*[录錄次]|(?i:table of contents|contents))[:：.]?[{BLANKS}]*(?=\n)"
)
_PAGE = re.compile(r"[\s.…·—-]*[0-9ivxl]*[\s.]*$")
_LINE = re.compile(rf"\n([^\n]{{1,{LONGEST_TITLE + 20}}})(?=\n)")
_CAPITALS = re.compile(r"\n\n[ \t]*+([A-Z“\"‘'][A-Z0-9“”\"‘’' ,.:;!?&—–-]{2,60})(?=\n\n)")
_WORD = re.compile("[A-Z]{3}")


def headings(marks: list[Mark], text: str) -> list[Choice]:
    """What the book's format marks as headings, level by level."""
    found = []
    for level in sorted({m.level for m in marks} - {0}):
        own = [m for m in marks if m.level == level and m.family != "end"]
        found += _titled(f"heading {level}", list(_above(own, text)), text)
    return found


def _above(marks: list[Mark], text: str) -> Iterator[Mark]:
    """Of headings right below each other (a number and its title) the first."""
    end = -1
    for mark in marks:
        if end < 0 or text[end : mark.start].strip():
            yield mark
        end = mark.end


def _titled(family: str, marks: list[Mark], text: str, errors: tuple[str, ...] = ()) -> list[Choice]:
    chain = [Link(mark, number) for number, mark in enumerate(marks, 1)]
    if len(chain) < 2:
        return []
    choice = Choice(family, WEIGHT * len(chain), chain, True, bodies(chain, text), errors)
    return [replace(choice, score=choice.score * plausible(choice.middle))] if choice.middle >= SHORTEST_TITLED else []


def listed(text: str) -> Choice | None:
    """The lines below a table of contents that say again what it lists."""
    heading = _CONTENTS.search(text, 0, CONTENTS_WITHIN)
    if heading is None:
        return None
    lines = [(m.start(1), m.end(1), _plain(m[1])) for m in _lines(text, heading.end())]
    places: dict[str, list[int]] = {}
    for number, (_, _, title) in enumerate(lines):
        places.setdefault(title, []).append(number)
    again = next((places[title][1] for _, _, title in lines if len(places[title]) > 1), 0)
    marks, absent, place = [], [], again - 1
    for begin, stop, title in lines[:again]:
        following = next((number for number in places[title] if number > place), None)
        if following is None or following < again:
            absent.append(text[begin:stop].strip())
            continue
        place = following
        start, end, _ = lines[place]
        marks.append(Mark(start, end, "listed", "listed", (), 0.7, True, line_at(text, start, end).text))
    if again < LEAST_LISTED or len(marks) < LEAST_FOUND * again:
        return None
    errors = tuple(f"the contents list “{title[:30]}”, which the text lacks" for title in absent)
    return next(iter(_titled("listed", marks, text, errors)), None)


def _lines(text: str, start: int) -> Iterator[re.Match[str]]:
    return (match for match in _LINE.finditer(text, start) if _plain(match[1]))


def _plain(line: str) -> str:
    """A title without its page number, blanks and case."""
    return "".join(_PAGE.sub("", line_at(line, 0, len(line)).text[: LONGEST_TITLE + 20]).split()).casefold()


def capitals(text: str) -> Choice | None:
    """Lines in capitals between blank lines, where they cut an English text into pieces of about one size."""
    marks = [
        Mark(m.start(1), m.end(1), "capitals", "capitals", (), 0.5, True, m[1].strip())
        for m in _CAPITALS.finditer(text)
        if _WORD.search(m[1]) and not is_the_end(m[1].strip())
    ]
    found = _titled("capitals", marks, text)
    regular = found and len(marks) >= LEAST_CAPITALS and found[0].middle >= SHORTEST_CAPITALS
    return found[0] if regular and found[0].alike >= LEAST_ALIKE else None

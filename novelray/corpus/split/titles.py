"""A heading's title where it stands apart from the number: in the line below, or, in one-line books, as a couplet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from novelray.corpus.split.inline import couplet_end
from novelray.corpus.split.layout import BLANKS
from novelray.corpus.split.lines import LONGEST_LINE, Line, line_at
from novelray.corpus.split.marks import Mark

HABIT = 0.6  # share of a book's bare headings below which a title follows, for it to be the book's way
LONGEST_ENGLISH, LONGEST_CHINESE = 70, 40  # characters of a title line

_NEXT = re.compile(rf"[{BLANKS}]*\n{{1,3}}(?=[^\n])([^\n]{{1,{LONGEST_LINE}}})(?=\n|\Z)")
_HANZI = re.compile("[\u3400-\u9fff]")
_NO_TITLE = re.compile("[。！？；：“”「」『』…]|，.*，|，$")
_NO_ENGLISH = re.compile(r"[0-9]|[,;:]|--|^[\"“‘(\[]|[.!?]$")
_WORD = re.compile("[A-Za-z]{4,}")
_CAPITALS = re.compile("[A-Z]{2}")

Titles = dict[int, tuple[str, int]]
"""By where a heading starts: its whole title and where its text begins."""


def titles(text: str, chain: Sequence[Mark], volumes: Iterable[Mark], inline: bool) -> Titles:
    """The titles of the marks. Lines below are taken only where that is the book's habit."""
    found = {mark.start: (mark.title, mark.end) for mark in (*chain, *volumes)}
    if inline:
        return found | _by_habit(chain, {m.start: _couplet(text, m) for m in chain})
    numbered = set(found)
    below = {m.start: _line_below(text, m, numbered) for m in (*chain, *volumes) if m.bare}
    joined = _by_habit([m for m in chain if m.bare], below)
    return found | joined | {m.start: t for m in volumes if (t := below.get(m.start)) and m.start not in joined}


def _by_habit(chain: Sequence[Mark], options: dict[int, tuple[str, int] | None]) -> Titles:
    own = {mark.start: option for mark in chain if (option := options.get(mark.start))}
    return own if chain and len(own) >= HABIT * len(chain) else {}


def _couplet(text: str, mark: Mark) -> tuple[str, int] | None:
    end = couplet_end(text, mark.end)
    rest = text[mark.end : end].strip(BLANKS)
    return (f"{mark.title}{'' if rest[:1] in '：:' else ' '}{rest}", end) if rest else None


def _line_below(text: str, mark: Mark, numbered: set[int]) -> tuple[str, int] | None:
    match = _NEXT.match(text, mark.end)
    if match is None or match.start(1) in numbered:
        return None
    line = line_at(text, match.start(1), match.end(1))
    if not is_title(line):
        return None
    return f"{mark.title} {line.text}", line.end


def is_title(line: Line) -> bool:
    """Whether a line looks like the title of a chapter: marked as a heading, in capitals, or short and no sentence."""
    text = line.text
    if line.level or not text:
        return bool(text)
    if _HANZI.search(text):
        return len(text) <= LONGEST_CHINESE and not _NO_TITLE.search(text)
    if len(text) > LONGEST_ENGLISH or not (text[0].isalpha() or text[0] in "“\"‘'"):
        return False
    if text == text.upper() and _CAPITALS.search(text):
        return True
    words = _WORD.findall(text)
    return bool(words) and not _NO_ENGLISH.search(text) and all(word[0].isupper() for word in words)

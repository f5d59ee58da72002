"""The lines that can be a heading, found in one pass: everything else about headings looks at these few lines only."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from novelray.corpus.read.book_text import HEADING
from novelray.corpus.split.layout import BLANKS, Heads
from novelray.corpus.split.special import ENGLISH_WORDS, FIRST_HANZI
from novelray.corpus.split.western import HEADING_WORDS

LONGEST_LINE = 140
"""Characters of a line that can still be a heading."""
DECORATION = "☆★◆◇●○■□※#*=_【［[〖《「『"
CLOSING = "】］]〗》」』*=_#"

_NUMBERS = f"零〇○一二三四五六七八九十百千两兩廿卅卌壹贰叁肆伍陆柒捌玖拾佰{string.digits}０１２３４５６７８９"
_SIGNS = f"{HEADING}第卷正上中下（({FIRST_HANZI}{_NUMBERS}{DECORATION}"
_ROMAN = "IVXLC"
_ENGLISH = sorted({word[:4] for word in (*HEADING_WORDS, *ENGLISH_WORDS)})
_HEAD = re.compile(rf"[{re.escape(_SIGNS)}]|[{_ROMAN}]++(?:[.:\s—–-]|\Z)|{'|'.join(map(re.escape, _ENGLISH))}")
_HEADS = Heads(_SIGNS + _ROMAN + "".join(word[0] for word in _ENGLISH))
_FIRST = re.compile(rf"[{BLANKS}]*+")
_LEVEL = re.compile(rf"{HEADING}([1-6])[{BLANKS}]*")


@dataclass(frozen=True, slots=True)
class Line:
    """`text` of a line without indentation, ornament and heading sign; the line itself is at `start` to `end`.

    `level`: the heading level that the format gives it, 0 for none.
    """

    start: int
    end: int
    text: str
    level: int


def candidate_lines(text: str) -> Iterator[Line]:
    """Every short line whose first characters can begin a heading, in order."""
    first = _FIRST.match(text)
    for start, head in chain([(0, first.end() if first else 0)], _HEADS.places(text)):
        if _HEAD.match(text, head):
            yield from _line(text, start, head)


def _line(text: str, start: int, head: int) -> Iterator[Line]:
    end = text.find("\n", head)
    end = len(text) if end < 0 else end
    if end - head <= LONGEST_LINE:
        found = line_at(text, start, end)
        if found.text:
            yield found


def line_at(text: str, start: int, end: int) -> Line:
    """The line `text[start:end]`, stripped."""
    content, level = text[start:end].strip(BLANKS), 0
    if content.startswith(HEADING) and (mark := _LEVEL.match(content)):
        content, level = content[mark.end() :], int(mark[1])
    if content[:1] in DECORATION:
        content = content.lstrip(DECORATION + BLANKS + "、").rstrip(CLOSING + BLANKS)
    return Line(start, end, content, level)


def alone(text: str, line: Line) -> float:
    """1 when blank lines stand around the line, less otherwise."""
    before, after = text[max(0, line.start - 2) : line.start], text[line.end : line.end + 2]
    above = before in ("", "\n", "\n\n")
    below = after in ("", "\n", "\n\n")
    return 1.0 if above and below else (0.7 if above or below else 0.4)

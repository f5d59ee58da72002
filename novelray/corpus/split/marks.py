"""Where a chapter may begin: every line that looks like a heading, with its family, number and how much it looks so.

A family is a set of marks that number one sequence (第…回, or Chapter N with its Roman cousins). Which family a book
uses, and which of its marks are real, is decided in `choose`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from novelray.corpus.split.layout import BLANKS
from novelray.corpus.split.lines import CLOSING, Line, alone, candidate_lines
from novelray.corpus.split.numbers import HANZI_NUMBER, hanzi_value, hanzi_values
from novelray.corpus.split.special import is_the_end, special
from novelray.corpus.split.western import numbered

VOLUME_UNITS = "卷部集篇册冊"
CHAPTER_UNITS = "章回囘囬节節话話折幕"
MOST_MARKS = 50_000  # no book has so many headings: a file with more of them is a table or a list of numbers
LONGEST_HEADING = 60  # characters of a line that can still be a heading
LONG_WEIGHT, MARKED_WEIGHT = 0.05, 0.8  # of a line too long for a heading; of a doubtful one that the format marks
STRONG = 0.5
"""Weight from which a mark is a heading by its looks alone."""


@dataclass(frozen=True)
class Mark:
    """A possible heading: the line from `start` to `end`, or in a line the label alone.

    `values`: numbers it can mean, the literal one first (none: a prologue, a note). `span`: how many further numbers
    the heading covers (第3-4章: 1). `weight` in (0, 1]: how much it looks like a heading. `anchored`: it stands at the
    start of a line. `level`: the heading level that the book's format gives it, 0 for none. `part`: 上, 下, 2, ... of a
    chapter told in parts. `volume`: a volume's heading in the same line. `bare`: no title follows the label.
    """

    start: int
    end: int
    family: str
    label: str
    values: tuple[int, ...]
    weight: float
    anchored: bool
    title: str
    level: int = 0
    span: int = 0
    part: str = ""
    volume: str = ""
    bare: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether its unit is larger than a chapter."""
        return self.family == "volume" or (self.family.startswith("zh:") and self.family[3] in VOLUME_UNITS)


_RANGE = rf"(?:[ \t]*[-–—~～至到、,，和与與][ \t]*第?({HANZI_NUMBER}))?"
_ZH = re.compile(
    rf"(?:(?:正文卷?|VIP[章卷]?节?)[{BLANKS}、:：]*)?"
    rf"(第[{BLANKS}]*({HANZI_NUMBER}){_RANGE}[{BLANKS}]*([{CHAPTER_UNITS}{VOLUME_UNITS}])(?![合课課]))(.*)"
)
_ZH_UNIT_FIRST = re.compile(rf"((卷)[之第]?({HANZI_NUMBER}))(?![{CHAPTER_UNITS}{VOLUME_UNITS}])(.*)")
_INNER_AFTER = f"{BLANKS}:：·.,，、{CLOSING}）)"  # a chapter in its volume's line follows one of these, or the label
_ZH_INNER = re.compile(
    rf"(?:^|(?<=[{re.escape(_INNER_AFTER)}]))(第[ \t]*({HANZI_NUMBER}){_RANGE}[ \t]*([{CHAPTER_UNITS}]))(.*)"
)
_UNIT_PART = re.compile(rf"([上中下])([{VOLUME_UNITS}])((?:[{BLANKS}:：·]+|(?=第)).*)?")
_LIST = re.compile(
    rf"([（(]?({HANZI_NUMBER})[）)]?)(?:[、.．:：][{BLANKS}]*(.{{0,30}})|[{BLANKS}]+([^{BLANKS}].{{0,20}}))?"
)
_PART = re.compile(rf"(?:[（(【\[]([上中下续續终終]|{HANZI_NUMBER})[）)】\]]|[{BLANKS}]([上中下]))$")


def find_marks(text: str) -> list[Mark]:
    """Every possible heading of `text` that stands in a line of its own, ordered by place."""
    found: list[Mark] = []
    for line in candidate_lines(text):
        for mark in _marks(text, line):
            found.append(_raised(mark, line) if line.level else mark)
            if len(found) > MOST_MARKS:
                return []
    return found


def _raised(mark: Mark, line: Line) -> Mark:
    """What the format calls a heading is one; only a whole paragraph is doubted still."""
    weight = 1.0 if mark.weight >= STRONG else (MARKED_WEIGHT if mark.weight > LONG_WEIGHT else STRONG / 2)
    return replace(mark, level=line.level, weight=weight)


def _marks(text: str, line: Line) -> Iterator[Mark]:
    """The one mark of a line, or none. What a line begins with says which rules can match it."""
    first = line.text[0]
    if first in "第正卷V上中下" and (mark := _chinese(line)):
        yield mark
    elif kind := special(line.text, 1.0 if line.level else alone(text, line)):
        yield Mark(line.start, line.end, kind[0], kind[1], (), 1.0, True, line.text, line.level)
    elif is_the_end(line.text):
        yield Mark(line.start, line.end, "end", "end", (), 1.0, True, line.text)
    elif first.isascii() and (found := numbered(line.text)):
        weight = found.weight * (1.0 if line.level else alone(text, line))
        yield Mark(
            line.start, line.end, found.family, found.label, (found.number,), weight, True,
            line.text[found.start :], volume=found.volume, bare=not found.title,
        )  # fmt: skip
    elif mark := _list(text, line):
        yield mark
    elif line.level:
        yield Mark(line.start, line.end, "heading", f"heading {line.level}", (), STRONG, True, line.text)


def _chinese(line: Line) -> Mark | None:
    match = _ZH.fullmatch(line.text)
    if match and match[4] not in VOLUME_UNITS:
        return _zh_mark(line, f"zh:{match[4]}", match[1], match[2], match[3], match[5])
    if match:
        return _within(line, match[1], match[5]) or _zh_mark(
            line, f"zh:{match[4]}", match[1], match[2], match[3], match[5]
        )
    if bare := _ZH_UNIT_FIRST.fullmatch(line.text):
        return _within(line, bare[1], bare[4]) or _zh_mark(line, "zh:卷N", bare[1], bare[3], None, bare[4])
    if half := _UNIT_PART.fullmatch(line.text):
        label, number, rest = half[1] + half[2], str("上中下".index(half[1]) + 1), half[3] or ""
        return _within(line, label, rest) or _zh_mark(line, f"zh:{half[2]}", label, number, None, rest)
    return None


def _within(line: Line, volume: str, rest: str) -> Mark | None:
    """The chapter that stands in its volume's line: 第一卷 少年 第三章 雪."""
    inner = _ZH_INNER.search(rest)
    if inner is None:
        return None
    volume = (volume + rest[: inner.start()]).strip(_INNER_AFTER)
    return replace(_zh_mark(line, f"zh:{inner[4]}", inner[1], inner[2], inner[3], inner[5]), volume=volume)


def _zh_mark(line: Line, family: str, label: str, number: str, last: str | None, rest: str) -> Mark:
    values, span = hanzi_values(number), 0
    if last:
        span = (hanzi_value(last) or 0) - values[0]
        span = span if 0 < span < 20 else 0
    part = _PART.search(rest)
    rest = rest.rstrip(BLANKS)
    title = f"{label}{rest}".rstrip(CLOSING + "—-" + BLANKS)
    return Mark(
        line.start, line.end, family, family, values[:1] if span else values, _line_weight(rest), True, title,
        span=span, part=next(filter(None, part.groups()), "") if part else "", bare=not rest.strip(BLANKS + ":：—-"),
    )  # fmt: skip


def _line_weight(rest: str) -> float:
    """A heading's line is short and is not a sentence."""
    if len(rest) > LONGEST_HEADING:
        return LONG_WEIGHT
    sentence = rest.endswith(("。", "．", "，", "；")) or "。" in rest or rest.count("，") > 2
    return 0.2 if sentence else 1.0


def _list(text: str, line: Line) -> Mark | None:
    """一、 and （一） and 12 and 1. Title: numbers that are all of the line or are set off from a short title."""
    match = _LIST.fullmatch(line.text)
    if match is None:
        return None
    rest = (match[3] or match[4] or "").rstrip(BLANKS)
    western = match[2].isascii()
    if rest and (rest[-1] in "。，；！？,;”」" or rest[0].islower() or "，" in rest):
        return None
    padded = len(match[2]) > 1 and match[2][0] == "0"  # nobody counts 001, 002 amid a story
    weight = (0.3 if rest and (western or match[4]) and not padded else 0.6) * (
        1.0 if line.level else alone(text, line)
    )
    family = "number" if western else "zh:N"
    return Mark(line.start, line.end, family, family, hanzi_values(match[2]), weight, True, line.text, bare=not rest)

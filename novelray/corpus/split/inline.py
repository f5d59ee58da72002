"""Headings inside a line, for books whose line breaks are lost: 第…回 and Chapter N amid the text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import chain, islice

from novelray.corpus.alphabet import Pairs
from novelray.corpus.read.signs import lacks
from novelray.corpus.split.marks import CHAPTER_UNITS, MOST_MARKS, VOLUME_UNITS, Mark
from novelray.corpus.split.numbers import HANZI_NUMBER, hanzi_values, trimmed_hanzi, western_value
from novelray.corpus.split.western import NUMBER

SENTENCE_END = frozenset("。！？!?；;」』”’）)】》…．.—")
_UNITS = CHAPTER_UNITS + VOLUME_UNITS
_NUMERALS = frozenset("零〇○一二三四五六七八九十百千两兩廿卅卌壹贰叁肆伍陆柒捌玖拾佰0123456789０１２３４５６７８９")
_NUMBERED = re.compile(rf"第({HANZI_NUMBER})([{_UNITS}])(?![合课課])")
_UNIT_FIRST = re.compile(rf"卷[之第]?({HANZI_NUMBER})(?![{_UNITS}])")
_UNITS_ALONE = "章回"
_ENGLISH = re.compile(rf"(?:Chapter|CHAPTER|Letter|LETTER)[ \t]+{NUMBER}")
_OPENING = re.compile(
    "[詩诗词詞][曰云雲]|(?:話|话|却|卻|且)[说說]|[话話]表|(?:[这這上])回[书書]|昔|[。！？；「“]"
)  # what a 章回 novel's chapter begins with after its couplet
_COUPLET = 48  # characters that a couplet, the heading of such a chapter, has at most


def find_inline_marks(text: str) -> list[Mark]:
    """Possible headings amid the text, ordered by place; none when there are too many to be headings."""
    found = list(islice(chain(_numbered(text), _unit_first(text), _lost_prefix(text), _english(text)), MOST_MARKS + 1))
    return sorted(found, key=lambda m: (m.start, -m.weight)) if len(found) <= MOST_MARKS else []


def _mark(text: str, start: int, end: int, family: str, values: tuple[int, ...], weight: float) -> Mark:
    label = text[start:end]
    return Mark(start, end, family, family, values, weight, False, label, bare=True)


def _numbered(text: str) -> Iterator[Mark]:
    for m in _NUMBERED.finditer(text):
        yield _mark(text, m.start(), m.end(), f"zh:{m[2]}", hanzi_values(m[1]), _place(text, m.start()))


def _unit_first(text: str) -> Iterator[Mark]:
    for m in _UNIT_FIRST.finditer(text):
        number = trimmed_hanzi(m[1])
        end = m.start(1) + len(number)
        yield _mark(text, m.start(), end, "zh:卷N", hanzi_values(number), _place(text, m.start()))


def _lost_prefix(text: str) -> Iterator[Mark]:
    """十二回 whose 第 was lost: believable only right after a sentence."""
    for start in _numbers_alone().places(text):
        unit = start + 1
        while start and unit - start < 9 and text[start - 1] in _NUMERALS:
            start -= 1
        if (start and text[start - 1] in "第卷") or _place(text, start) < 0.5:
            continue
        yield _mark(text, start, unit + 1, f"zh:{text[unit]}", hanzi_values(text[start:unit]), 0.25)


@cache
def _numbers_alone() -> Pairs:
    return Pairs.of(numeral + unit for numeral in _NUMERALS for unit in _UNITS_ALONE)


def _english(text: str) -> Iterator[Mark]:
    if lacks(text, "CL"):
        return
    for place in _english_words().places(text):
        if (m := _ENGLISH.match(text, place)) and (value := western_value(m[1])) is not None:
            weight = _place(text, m.start())
            after = text[m.end() : m.end() + 2].strip()
            weight *= 1.0 if not after or after[0] in ".:—" or after[0].isupper() else 0.3
            yield _mark(text, m.start(), m.end(), "western", (value,), weight)


@cache
def _english_words() -> Pairs:
    return Pairs.of(("Ch", "CH", "Le", "LE"))


def _place(text: str, start: int) -> float:
    """A heading follows the end of a sentence."""
    before = text[start - 1] if start else "。"
    return 0.7 if before in SENTENCE_END or before.isspace() else 0.1


def couplet_end(text: str, end: int) -> int:
    """Where the couplet after an inline 第…回 ends: before the words that such a chapter opens with, else at `end`."""
    found = _OPENING.search(text, end, end + _COUPLET)
    if found is None or found.start() - end < 6 or found[0] in "。！？；「“":
        return end
    return found.start()

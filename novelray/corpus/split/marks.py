"""Where a chapter may begin: every place that looks like a heading, with its family, number and how much it looks so.

A family is a set of marks that number one sequence (第…回, or Chapter N with its Roman cousins). Which family a book
uses, and which of its marks are real, is decided in `split`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from novelray.corpus.split.numbers import HANZI_NUMBER, WORD_NUMBER, hanzi_values, roman_value, trimmed_hanzi, western_value

SENTENCE_END = "。！？!?；;」』”’）)】》…．.—"
VOLUME_UNITS = "卷部集篇册冊"
MOST_MARKS = 50_000
LONGEST_HEADING = 60  # characters of a line that can still be a heading


@dataclass(frozen=True)
class Mark:
    """A possible heading at `start`; its own text ends at `end`. `values`: numbers it can mean, the literal one first.

    `weight` in (0, 1]: how much it looks like a heading. `anchored`: it stands at the start of a line.
    """

    start: int
    end: int
    family: str
    label: str
    values: tuple[int, ...]
    weight: float
    anchored: bool
    title: str


_UNITS = "章回节節话話折幕" + VOLUME_UNITS
_ZH_LINE = re.compile(rf"(?m)^[ \t\u3000]*(?:正文[ \t\u3000]*)?(第[ \t]*({HANZI_NUMBER})[ \t]*([{_UNITS}]))(.*)$")
_ZH_BARE_UNIT = re.compile(rf"(?m)^[ \t\u3000]*(([卷])[之第]?({HANZI_NUMBER}))(?![{_UNITS}])(.*)$")
_ZH_INLINE = re.compile(rf"第({HANZI_NUMBER})([{_UNITS}])|(?<![第一二三四五六七八九十百])({HANZI_NUMBER})([章回])")
_ZH_INLINE_UNIT = re.compile(rf"卷[之第]?({HANZI_NUMBER})(?![{_UNITS}])")
_ZH_LIST = re.compile(
    rf"(?m)^[ \t\u3000]*([（(]?({HANZI_NUMBER})[）)]?(?:[、.．][ \t\u3000]*(.{{0,30}}))?)[ \t\u3000]*$"
)
_EN_WORD = re.compile(
    rf"(?m)^[ \t]*((Chapter|CHAPTER|Letter|LETTER|Adventure|ADVENTURE|Stave|STAVE|Canto|CANTO|Story|STORY)[ \t]+"
    rf"(?:the[ \t]+|THE[ \t]+)?([0-9]{{1,4}}|[IVXLCivxlc]+|(?i:{WORD_NUMBER}))(?![A-Za-z0-9]))([.:\-—–]*[ \t]*)(.*)$"
)
_EN_VOLUME = re.compile(
    rf"(?m)^[ \t]*((Book|BOOK|Part|PART|Volume|VOLUME)[ \t]+(?:the[ \t]+|THE[ \t]+)?"
    rf"([0-9]{{1,4}}|[IVXLC]+|(?i:{WORD_NUMBER}))(?![A-Za-z0-9]))([.:\-—–]*[ \t]*)(.*)$"
)
_ROMAN_LINE = re.compile(r"(?m)^[ \t]*(([IVXLC]+)(\.?))(?:[ \t]+([A-Z“\"‘'].{0,80}?))?[ \t]*$")
_NUMBER_LINE = re.compile(r"(?m)^[ \t]*(([0-9]{1,4})\.?)(?:[ \t]+([A-Z“\"\u4e00-\u9fff].{0,80}?))?[ \t]*$")
_EXTRA = re.compile(
    r"(?m)^[ \t\u3000]*("
    r"(?:楔子|序章|序幕|自序|序言?|引子|引言|前言|后记|後記|尾声|尾聲|终章|終章|大结局|番外|附录|附錄|跋)"
    r"(?![\u4e00-\u9fff])|番外[篇一二三四五六七八九十0-9]{0,4}|"
    r"(?i:prologue|epilogue|preface|foreword|afterword|introduction|interlude|appendix)\b)([.:：、 \t\u3000—-]*)(.*)$"
)


def find_marks(text: str) -> list[Mark]:
    """Every possible heading of `text`, ordered by place."""
    sources = (_zh_lines, _zh_inline, _zh_lists, _western, _bare_numbers, _volumes, _extras)
    found = [mark for source in sources for mark in _unless_too_many(source(text))]
    return sorted(found, key=lambda m: (m.start, -m.weight))


def _unless_too_many(marks: Iterator[Mark]) -> list[Mark]:
    """No book has so many headings: a file with more of them is a table or a list of numbers."""
    found = list(islice(marks, MOST_MARKS + 1))
    return found if len(found) <= MOST_MARKS else []


def _line(match: re.Match[str], group: int, rest: str) -> tuple[int, str]:
    """End of the heading's line and its text without blanks."""
    label = match.group(group)
    return match.end(), f"{label}{rest}".strip(" \t\u3000")


def _zh_lines(text: str) -> Iterator[Mark]:
    for m in _ZH_LINE.finditer(text):
        end, title = _line(m, 1, m[4])
        yield Mark(m.start(1), end, f"zh:{m[3]}", m[1], hanzi_values(m[2]), _line_weight(m[4]), True, title)
    for m in _ZH_BARE_UNIT.finditer(text):
        end, title = _line(m, 1, m[4])
        yield Mark(m.start(1), end, "zh:卷N", m[1], hanzi_values(m[3]), _line_weight(m[4]), True, title)


def _line_weight(rest: str) -> float:
    """A heading's line is short and is not a sentence."""
    if len(rest) > LONGEST_HEADING:
        return 0.05
    sentence = rest.rstrip(" \t\u3000").endswith(("。", "．", "，", "；")) or "。" in rest or rest.count("，") > 2
    return 0.2 if sentence else 1.0


def _zh_inline(text: str) -> Iterator[Mark]:
    for m in _ZH_INLINE.finditer(text):
        if m[1]:
            yield Mark(m.start(), m.end(), f"zh:{m[2]}", m[0], hanzi_values(m[1]), _inline(text, m), False, m[0])
        elif _inline(text, m) > 0.5:  # the 第 was lost: believable only right after a sentence
            yield Mark(m.start(), m.end(), f"zh:{m[4]}", m[0], hanzi_values(m[3]), 0.25, False, m[0])
    for m in _ZH_INLINE_UNIT.finditer(text):
        number = trimmed_hanzi(m[1])
        end = m.start(1) + len(number)
        label = text[m.start() : end]
        yield Mark(m.start(), end, "zh:卷N", label, hanzi_values(number), _inline(text, m), False, label)


def _inline(text: str, match: re.Match[str]) -> float:
    before = text[match.start() - 1] if match.start() else "。"
    return 0.7 if before in SENTENCE_END or before.isspace() else 0.1


def _zh_lists(text: str) -> Iterator[Mark]:
    for m in _ZH_LIST.finditer(text):
        if not m[2].isascii():
            yield Mark(m.start(1), m.end(), "zh:N", m[1], hanzi_values(m[2]), 0.6 * _alone(text, m), True, m[1].strip())


def _western(text: str) -> Iterator[Mark]:
    for m in _EN_WORD.finditer(text):
        value = western_value(m[3])
        if value is None or not _goes_on_as_heading(m[4], m[5]):
            continue
        end, title = _line(m, 1, m[4] + m[5])
        yield Mark(m.start(1), end, "western", m[2].lower(), (value,), _alone(text, m), True, title)
    for m in _ROMAN_LINE.finditer(text):
        value = roman_value(m[2])
        if value is None or (m[4] and len(m[4]) > LONGEST_HEADING):
            continue
        weight = 0.8 if not m[4] else (0.9 if m[3] else 0.5)
        title = f"{m[1]} {m[4] or ''}".strip()
        yield Mark(m.start(1), m.end(), "western", "roman", (value,), weight * _alone(text, m), True, title)


def _goes_on_as_heading(separator: str, rest: str) -> bool:
    """`Letter I wrote` is prose; `Letter I`, `Letter I. To Mrs. Saville` and `Chapter 1 Loomings` are headings."""
    rest = rest.strip()
    return not rest or (len(rest) <= LONGEST_HEADING and (bool(separator.strip()) or not rest[0].islower()))


def _alone(text: str, match: re.Match[str]) -> float:
    """1 when blank lines stand around the line, less otherwise."""
    before = text[: match.start()] if match.start() < 2 else text[match.start() - 2 : match.start()]
    after = text[match.end() : match.end() + 2]
    above = not before.strip() and before in ("", "\n", "\n\n")
    below = after in ("", "\n", "\n\n")
    return 1.0 if above and below else (0.7 if above or below else 0.4)


def _bare_numbers(text: str) -> Iterator[Mark]:
    for m in _NUMBER_LINE.finditer(text):
        weight = 0.6 if not m[3] else (0.3 if len(m[3]) <= LONGEST_HEADING else 0.05)
        title = f"{m[1]} {m[3] or ''}".strip()
        yield Mark(m.start(1), m.end(), "number", "number", (int(m[2]),), weight * _alone(text, m), True, title)


def _volumes(text: str) -> Iterator[Mark]:
    for m in _EN_VOLUME.finditer(text):
        value = western_value(m[3])
        if value is not None and _goes_on_as_heading(m[4], m[5]):
            end, title = _line(m, 1, m[4] + m[5])
            yield Mark(m.start(1), end, "volume", m[2].lower(), (value,), _alone(text, m), True, title)


def _extras(text: str) -> Iterator[Mark]:
    for m in _EXTRA.finditer(text):
        rest = m[3].strip()
        if len(rest) > 30 or _line_weight(rest) < 1.0 or (rest and not m[2] and rest[0].islower()):
            continue
        if rest and (rest[0].islower() or rest.endswith((".", ","))):
            continue  # "introduction that I had brought with me" is prose
        end, title = _line(m, 1, m[2] + m[3])
        if m[1].isascii() and not (m[1][0].isupper() and _alone(text, m) == 1.0):
            continue
        yield Mark(m.start(1), end, "extra", m[1], (), 1.0, True, title)

"""The scenes of one chapter, as offsets.

A scene begins after a break that the book shows (a line of asterisks or other ornament, a gap wider than the usual one
between paragraphs, a numbered section), and where a paragraph begins with words that say that time or place has changed
(次日, 却说, "The next morning"). Breaks that are shown always count; the others only where the scenes on both sides
keep a least length, so that a chapter is never cut to shreds. In books without line breaks a sentence's end stands for
a paragraph's. No text is moved: the offsets are in order, the first is 0, and scene i is `text[s[i] : s[i + 1]]`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from functools import cache

from novelray.corpus.alphabet import Pairs
from novelray.corpus.split.layout import BLANKS, Breaks, Heads, breaks
from novelray.corpus.split.numbers import hanzi_value, roman_value
from novelray.corpus.split.scene_cues import CHINESE_FIRST, ENGLISH, STORY_TELLER, TIME

LEAST_SHOWN = 60
"""Characters that a scene between two shown breaks has at least."""
LEAST_CHINESE, LEAST_ENGLISH = 400, 1500
"""Characters that a scene has at least where only words say that one begins."""
LEAST_INLINE = 800
"""The same in books without line breaks, where a sentence's start is weaker evidence than a paragraph's."""
WIDE_SHARE = 8  # gaps are wide when at least so many usual ones come on each
SPARSE = 1500  # characters per line break above which a book has no paragraphs

_SINGLE = "*＊※◇◆☆★●○■□△▲▽▼⁂❖✦❧§#♦"
_RULE = "-—–―─━_=＝~～·•+＋xX.。…"
_ORNAMENT = re.compile(rf"([{_SINGLE}{re.escape(_RULE)}][{_SINGLE}{re.escape(_RULE)}{BLANKS}]*+)(?=\n|\Z)")
_BRACKETS, _ROMAN, _TENS = "（(", "IVX", "一二三四五六七八九十"
_SECTION = re.compile(rf"[{_BRACKETS}]?([{_ROMAN}]++|[0-9]{{1,2}}|[{_TENS}]{{1,3}})[.、)）．]?(?=\n|\Z)")
_WIDE = (re.compile(r"\n[ \t\u3000]*+\n(?=[^\n])"), re.compile(r"\n[ \t\u3000]*+\n[ \t\u3000]*+\n++(?=[^\n])"))
_SENTENCE_LINE = re.compile(r"\n(?<=[。！？!?.…”’」』\"')）—:：]\n)")
_SPACE = re.compile(r"\s*")
_CHINESE = "|".join((*STORY_TELLER, *TIME))
_SENTENCE_CUE = re.compile(_CHINESE)
_PARAGRAPH_CUE = re.compile(rf"_?(?:{'|'.join(ENGLISH)})|{_CHINESE}")
_SHOWN_FIRST = frozenset(_SINGLE + _RULE + _BRACKETS + _ROMAN + string.digits + _TENS)
_CUE_FIRST = frozenset("_" + string.ascii_letters + CHINESE_FIRST)
_HEADS = Heads("".join(sorted(_SHOWN_FIRST | _CUE_FIRST)))
_HANZI = re.compile("[\u3400-\u9fff]")


def scenes(text: str) -> list[int]:
    """Where the scenes of a chapter begin: ascending offsets into `text`, the first is 0. Deterministic."""
    counted, heads = breaks(text), list(_HEADS.places(text))
    between = _blank_between(text, counted)
    shown = _shown(text, heads, _wide_gaps(text, counted, between))
    sparse = counted.single * SPARSE < len(text)
    chinese = bool(_HANZI.search(text, 0, 2000))
    least = (LEAST_INLINE if sparse else LEAST_CHINESE) if chinese else LEAST_ENGLISH
    inline = sparse and chinese
    cue, places = (_SENTENCE_CUE, _sentences(text)) if inline else (_PARAGRAPH_CUE, _paragraphs(text, heads, between))
    found: list[int] = []
    place = next(places, None)
    for first, end in zip([0, *shown], [*shown, len(text)], strict=True):
        found.append(first)
        while place and place[0] < end:
            start, words = place
            if start - found[-1] >= least and end - start >= least and cue.match(text, words):
                found.append(start)
            place = next(places, None)
    return found


def _shown(text: str, heads: Sequence[tuple[int, int]], wide: set[int]) -> list[int]:
    """Where scenes begin after breaks that the book shows. `heads`: of the lines; `wide`: starts after wide gaps."""
    heads = [head for head in heads if text[head[1]] in _SHOWN_FIRST]
    ornaments = (_ORNAMENT.match(text, at) for _, at in heads)
    starts = wide | {_after(text, m.end()) for m in ornaments if m and _is_break(m[1])}
    starts.update(_sections(text, heads))
    found: list[int] = []
    for start in sorted(starts):
        if start - (found[-1] if found else 0) >= LEAST_SHOWN and len(text) - start >= LEAST_SHOWN:
            found.append(start)
    return found


def _is_break(ornament: str) -> bool:
    """`***`, `* * *`, `———`, `◇◇◇`; one sign is enough when it is no punctuation; …… alone is a silence."""
    signs = ornament.replace(" ", "").replace("\t", "").replace("\u3000", "")
    if any(sign in _SINGLE for sign in signs):
        return True
    return len(signs) >= {"…": 5, ".": 9, "。": 9}.get(signs[0], 3)


def _after(text: str, place: int) -> int:
    """The start of the next line that has text; the text's end when there is none."""
    match = _SPACE.match(text, place)
    end = match.end() if match else place
    return len(text) if end == len(text) else text.rfind("\n", place, end) + 1


def _sections(text: str, heads: Sequence[tuple[int, int]]) -> Iterator[int]:
    """Starts of lines that are a number, where these run 1, 2, 3 (the first may be in the heading)."""
    expected = 0
    for start, at in heads:
        if match := _SECTION.match(text, at):
            number = match[1]
            value = roman_value(number) or (None if number.isalpha() and number.isascii() else hanzi_value(number))
            if value is not None and (value == expected or (not expected and value in (1, 2))):
                expected = value + 1
                yield start


def _wide_gaps(text: str, counted: Breaks, between: bool) -> set[int]:
    """Starts after gaps wider than the usual one: blank lines where each line is a paragraph, else two blank lines."""
    wide = counted.triple if between else counted.double
    usual = counted.single - counted.double if wide == counted.double else counted.double
    if not wide or usual < WIDE_SHARE * wide:
        return set()
    return {m.end() for m in _WIDE[wide != counted.double].finditer(text)}


def _blank_between(text: str, counted: Breaks) -> bool:
    """Whether blank lines stand between paragraphs: they are many, or the other line breaks are amid sentences."""
    if counted.double * WIDE_SHARE >= counted.single:
        return True
    sample = text[:20_000]
    single = sample.count("\n") - 2 * sample.count("\n\n")
    return len(_SENTENCE_LINE.findall(sample)) < 0.7 * single


@cache
def _sentence_starts() -> Pairs:
    return Pairs.of(end + first for end in "。！？」』”" for first in CHINESE_FIRST)


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Starts of sentences that may begin with words of time or place, and where these words are."""
    return ((at + 1, at + 1) for at in _sentence_starts().places(text))


def _paragraphs(text: str, heads: Iterable[tuple[int, int]], between: bool) -> Iterator[tuple[int, int]]:
    """The same of paragraphs."""
    for start, at in heads:
        if text[at] in _CUE_FIRST and (not between or text[start - 2 : start - 1] == "\n"):
            yield start, at

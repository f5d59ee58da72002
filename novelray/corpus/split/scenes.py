"""The scenes of one chapter, as offsets.

A scene begins after a break that the book shows (a line of asterisks or other ornament, a gap wider than the usual one
between paragraphs, a numbered section), and where a paragraph begins with words that say that time or place has changed
(次日, 却说, "The next morning"). Breaks that are shown always count; the others only where the scenes on both sides
keep a least length, so that a chapter is never cut to shreds. In books without line breaks a sentence's end stands for
a paragraph's. No text is moved: the offsets are in order, the first is 0, and scene i is `text[s[i] : s[i + 1]]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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

_BLANK = "[ \t\u3000]*+"
_SINGLE = "*＊※◇◆☆★●○■□△▲▽▼⁂❖✦❧§#♦"
_RULE = "-—–―─━_=＝~～·•+＋xX.。…"
_ORNAMENT = re.compile(rf"\n{_BLANK}([{_SINGLE}{re.escape(_RULE)}][{_SINGLE}{re.escape(_RULE)} \t\u3000]*+)(?=\n|\Z)")
_SECTION = re.compile(rf"\n{_BLANK}[（(]?([IVX]++|[0-9]{{1,2}}|[一二三四五六七八九十]{{1,3}})[.、)）．]?(?=\n|\Z)")
_WIDE = (re.compile(r"\n[ \t\u3000]*+\n(?=[^\n])"), re.compile(r"\n[ \t\u3000]*+\n[ \t\u3000]*+\n++(?=[^\n])"))
_SENTENCE_LINE = re.compile(r"[。！？!?.…”’」』\"')）—:：]\n")
_SPACE = re.compile(r"\s*")
_CHINESE = "|".join((*STORY_TELLER, *TIME))
_PARAGRAPH_CUE = re.compile(rf"\n{_BLANK}(?=[_A-Za-z{CHINESE_FIRST}])(?:_?(?:{'|'.join(ENGLISH)})|{_CHINESE})")
# An expression that begins with one sign, and a look at the next character before all the words, are found fastest.
_SENTENCE_CUES = [re.compile(f"{mark}(?=[{CHINESE_FIRST}])(?={_CHINESE})") for mark in "。！？」』”"]
_HANZI = re.compile("[\u3400-\u9fff]")


def scenes(text: str) -> list[int]:
    """Where the scenes of a chapter begin: ascending offsets into `text`, the first is 0. Deterministic."""
    shown = _shown(text)
    sparse = text.count("\n") * SPARSE < len(text)
    chinese = bool(_HANZI.search(text, 0, 2000))
    cues = _sentence_cues(text) if sparse and chinese else _paragraph_cues(text)
    least = (LEAST_INLINE if sparse else LEAST_CHINESE) if chinese else LEAST_ENGLISH
    found: list[int] = []
    place = 0
    for start, end in zip([0, *shown], [*shown, len(text)], strict=True):
        found.append(start)
        while place < len(cues) and cues[place] < end:
            if cues[place] - found[-1] >= least and end - cues[place] >= least:
                found.append(cues[place])
            place += 1
    return found


def _shown(text: str) -> list[int]:
    """Where scenes begin after breaks that the book shows."""
    starts = {_after(text, m.end()) for m in _ORNAMENT.finditer(text) if _is_break(m[1])}
    starts |= {m.start() + 1 for m in _sections(text)}
    starts |= _wide_gaps(text)
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


def _sections(text: str) -> Iterator[re.Match[str]]:
    """Lines that are a number, where these run 1, 2, 3 (the first may be in the heading)."""
    expected = 0
    for match in _SECTION.finditer(text):
        value = roman_value(match[1]) or (None if match[1].isalpha() and match[1].isascii() else hanzi_value(match[1]))
        if value is not None and (value == expected or (not expected and value in (1, 2))):
            expected = value + 1
            yield match


def _wide_gaps(text: str) -> set[int]:
    """Starts after gaps wider than the usual one: blank lines where each line is a paragraph, else two blank lines."""
    lines, blank = text.count("\n"), text.count("\n\n")
    wide = blank if not _blank_between(text, lines, blank) else text.count("\n\n\n")
    usual = lines - blank if wide == blank else blank
    if not wide or usual < WIDE_SHARE * wide:
        return set()
    return {m.end() for m in _WIDE[wide != blank].finditer(text)}


def _blank_between(text: str, lines: int, blank: int) -> bool:
    """Whether blank lines stand between paragraphs: they are many, or the other line breaks are amid sentences."""
    if blank * WIDE_SHARE >= lines:
        return True
    sample = text[:20_000]
    single = sample.count("\n") - 2 * sample.count("\n\n")
    return len(_SENTENCE_LINE.findall(sample)) < 0.7 * single


def _sentence_cues(text: str) -> list[int]:
    """Starts of sentences that begin with words of time or place."""
    return sorted(m.end() for cue in _SENTENCE_CUES for m in cue.finditer(text))


def _paragraph_cues(text: str) -> list[int]:
    """Starts of paragraphs that begin with words of time or place."""
    between = _blank_between(text, text.count("\n"), text.count("\n\n"))
    found = []
    for match in _PARAGRAPH_CUE.finditer(text):
        start = match.start()
        if not between or text[start - 1 : start] == "\n":
            found.append(start + 1)
    return found

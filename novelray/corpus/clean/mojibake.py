"""Lines that were decoded with the wrong encoding once, put right; other lines are not looked at.

Three accidents are repaired: UTF-8 read as a Western code page (by ftfy), GB18030 read as Latin-1, and UTF-8 read as
GB18030. Each leaves signs that ordinary text hardly has; only lines with these signs are tried, and a repair
counts only when the bytes decode without an error to plausible text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.clean.alphabet import codes, table

_LEADS = frozenset(map(chr, range(0xC2, 0xF5))) | frozenset("‚Γв")  # what E2 is in Mac Roman, CP437 and CP1251
_TRAILS = frozenset(map(chr, range(0x80, 0xC0))) | frozenset(bytes(range(0x80, 0xC0)).decode("cp1252", "ignore"))
_WESTERN = re.compile(f"[{''.join(sorted(_LEADS))}][{''.join(sorted(_TRAILS))}ÄÇЂ]")
_HIGH = frozenset(map(chr, range(0xA1, 0xFF)))
_GBK_AS_LATIN = re.compile("[\xa1-\xfe]{4,}")
_UTF8_AS_GBK = frozenset("锛銆鈥")  # the first two bytes of ，！？ of 。「」 and of “”…, each pair read as one Hanzi
_UTF8_SIGN = re.compile("[锛銆鈥]")
_BLANKS = " \t\u3000"
_BLOCK = 1 << 22
_NEAR = 1_000  # characters of a line before and after a sign that are repaired with it


def suspicious(letters: set[str]) -> bool:
    """Whether a text with these characters can have such lines at all."""
    return any(possible(letters) for possible, _, _ in _KINDS)


def repair(text: str, letters: set[str]) -> tuple[str, int]:
    """The text with its broken lines repaired, and how many there were."""
    total = 0
    at = _pairs_of_signs(text)
    for possible, sign, mend in _KINDS:
        if at and possible(letters):
            text, count = _mend_lines(text, at, sign, mend)
            at = _pairs_of_signs(text) if count else at
            total += count
    return text, total


@lru_cache(maxsize=1)
def _tables() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    gbk = "".join(_UTF8_AS_GBK)
    second = table("".join(_TRAILS | _HIGH) + "ÄÇЂ")
    second[0x3400:] = True
    return table("".join(_LEADS | _HIGH) + gbk), second


def _pairs_of_signs(text: str) -> list[int]:
    """Where two characters stand side by side that could begin a broken sequence."""
    first, second = _tables()
    found: list[int] = []
    for start in range(0, len(text), _BLOCK):
        points = codes(text[start : start + _BLOCK + 1])
        at = np.flatnonzero(first[points[:-1]])
        found += (at[second[points[at + 1]]] + start).tolist()
    return found


def _mend_lines(text: str, at: list[int], sign: re.Pattern[str], mend: Callable[[str], str]) -> tuple[str, int]:
    """Only the lines around the signs are cut out; of a very long line, only what is near."""
    parts: list[str] = []
    count = done = 0
    for place in at:
        match = sign.match(text, place) if place >= done else None
        if match is None:
            continue
        start = max(text.rfind("\n", done, match.start()) + 1, done, match.start() - _NEAR)
        end = text.find("\n", match.end(), match.end() + _NEAR)
        end = end if end >= 0 else _blank(text, match.end())
        start += len(text[start:end]) - len(text[start:end].lstrip(_BLANKS))
        line = text[start:end].rstrip(_BLANKS)
        mended = mend(line)
        count += mended != line
        parts += [text[done:start], mended]
        done = start + len(line)
    return "".join([*parts, text[done:]]), count


def _blank(text: str, at: int) -> int:
    """The last blank within reach, or the reach: no sequence is cut where words are."""
    limit = min(len(text), at + _NEAR)
    blank = text.rfind(" ", at, limit) if limit < len(text) else -1
    return blank if blank >= 0 else limit


def _from_western(line: str) -> str:
    import ftfy
    from ftfy.badness import is_bad

    return ftfy.fix_encoding(line) if is_bad(line) else line


def _from_gbk(line: str) -> str:
    try:
        return line.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return line


def _from_latin(line: str) -> str:
    return _GBK_AS_LATIN.sub(_pairs, line)


def _pairs(match: re.Match[str]) -> str:
    """A run of Latin-1 letters as GB2312, where nearly all of it is frequent Hanzi (the rows 0xB0 to 0xD7)."""
    data = match.group().encode("latin-1")
    try:
        decoded = data.decode("gb2312")
    except UnicodeError:
        return match.group()
    frequent = sum(0xB0 <= first <= 0xD7 or 0xA1 <= first <= 0xA3 for first in data[::2])
    return decoded if frequent >= 0.9 * len(decoded) else match.group()


# (whether the characters of a text allow it, the sign, the repair of a line that has the sign)
_KINDS: tuple[tuple[Callable[[set[str]], bool], re.Pattern[str], Callable[[str], str]], ...] = (
    (lambda letters: not letters.isdisjoint(_UTF8_AS_GBK), _UTF8_SIGN, _from_gbk),
    (lambda letters: len(letters & _HIGH) >= 4, _GBK_AS_LATIN, _from_latin),
    (lambda letters: bool(letters & _LEADS) and bool(letters & (_TRAILS | set("ÄÇЂ"))), _WESTERN, _from_western),
)

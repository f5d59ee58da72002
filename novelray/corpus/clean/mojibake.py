"""Lines that were decoded with the wrong encoding once, put right; other lines are not looked at.

Three accidents are repaired: UTF-8 read as a Western code page (by ftfy), GB18030 read as Latin-1, and UTF-8 read as
GB18030. Each leaves signs that ordinary text hardly has; only lines with these signs are tried, and a repair
counts only when the bytes decode without an error to plausible text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache

from novelray.corpus.alphabet import Pairs, table

_LEADS = frozenset(map(chr, range(0xC2, 0xF5))) | frozenset("‚Γв")  # what E2 is in Mac Roman, CP437 and CP1251
_TRAILS = frozenset(map(chr, range(0x80, 0xC0))) | frozenset(bytes(range(0x80, 0xC0)).decode("cp1252", "ignore"))
_WESTERN = re.compile(f"[{''.join(sorted(_LEADS))}][{''.join(sorted(_TRAILS))}ÄÇЂ]")
_HIGH = frozenset(map(chr, range(0xA1, 0xFF)))
_BYTES = {chr(b): b for b in range(0x80, 0xFF)} | {
    c: b for b in range(0x80, 0xA0) if len(c := bytes([b]).decode("cp1252", "ignore")) == 1
}
_ANY = "".join(_BYTES)
_GBK_AS_LATIN = re.compile(f"[\xa1-\xfe][{_ANY}]{{3}}")
# As Latin-1, and as Windows-1252, where “ and … can be bytes too.
_GBK_PAIRS = tuple(re.compile(f"(?:[{signs}][@-~{signs}])+") for signs in ("\x80-\xfe", _ANY))
_COMMON = frozenset("第章回的一是不了在人有我他来來大上个個说說到这這那道子你之其与與，。！？、：“”「」")
_UTF8_AS_GBK = frozenset("锛銆鈥")  # the first two bytes of ，！？ of 。「」 and of “”…, each pair read as one Hanzi
_UTF8_SIGN = re.compile("[锛銆鈥]")
_BLANKS = " \t\u3000"
_NEAR = 1_000  # characters of a line before and after a sign that are repaired with it


def suspicious(letters: set[str]) -> bool:
    """Whether a text with these characters can have such lines at all."""
    return any(possible(letters) for possible, _, _ in _KINDS)


def repair(text: str, letters: set[str]) -> tuple[str, int]:
    """The text with its broken lines repaired, and how many there were."""
    total = 0
    at = list(_signs().places(text))
    for possible, sign, mend in _KINDS:
        if at and possible(letters):
            text, count = _mend_lines(text, at, sign, mend)
            at = list(_signs().places(text)) if count else at
            total += count
    return text, total


@cache
def _signs() -> Pairs:
    """Two characters that could begin a broken sequence."""
    second = table("".join(_TRAILS | _HIGH) + "ÄÇЂ")
    second[0x3400:] = True
    return Pairs(table("".join(_LEADS | _HIGH | _UTF8_AS_GBK)), second)


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
    """Pairs of Western letters as GB18030, where nearly all of them are and give the Hanzi that texts are made of."""
    for pairs in _GBK_PAIRS:
        runs = pairs.findall(line)
        found = "".join(map(_decoded, runs))
        left = sum(map(_HIGH.__contains__, pairs.sub("", line)))
        frequent = sum(map(_is_frequent, found)) >= 0.8 * (len(found) + left)
        if sum(map(len, runs)) > 4 and frequent and not _COMMON.isdisjoint(found):
            return pairs.sub(lambda m: _decoded(m.group()), line)
    return line


def _decoded(letters: str) -> str:
    return bytes(_BYTES.get(c) or ord(c) for c in letters).decode("gb18030", "replace")


@lru_cache(maxsize=20_000)
def _is_frequent(character: str) -> bool:
    """Whether a character is a sign, or a Hanzi of the first level of GB2312 or of Big5."""
    for encoding, first, last in (("gb2312", 0xB0, 0xD7), ("gb2312", 0xA1, 0xA3), ("big5", 0xA4, 0xC6)):
        if first <= character.encode(encoding, "ignore")[:1].rjust(1, b"\0")[0] <= last:
            return True
    return False


# (whether the characters of a text allow it, the sign, the repair of a line that has the sign)
_KINDS: tuple[tuple[Callable[[set[str]], bool], re.Pattern[str], Callable[[str], str]], ...] = (
    (lambda letters: not letters.isdisjoint(_UTF8_AS_GBK), _UTF8_SIGN, _from_gbk),
    (lambda letters: len(letters & _HIGH) >= 4, _GBK_AS_LATIN, _from_latin),
    (lambda letters: bool(letters & _LEADS) and bool(letters & (_TRAILS | set("ÄÇЂ"))), _WESTERN, _from_western),
)

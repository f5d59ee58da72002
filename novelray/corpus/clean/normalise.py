"""Normalisation that is safe for Chinese and for dialogue. Every change is counted by kind.

NFC and a table of our own; never NFKC, which turns ，！？ into ASCII, and never a mapper that turns “”「」 into `"`:
who speaks is in those marks. Each step names the characters that it looks for and is skipped where none occurs.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable

from novelray.corpus.alphabet import is_hanzi

DIALOGUE_MARKS = "“”‘’「」『』《》〈〉\"'"
"""Marks that no step may change or remove."""

_H = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK = _H + r"\u3001-\u301f\uff01-\uff5e“”‘’…—"
_BLANKS = " \t\u3000"

_LINE_ENDS = "\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
_CONTROLS = "".join(map(chr, [*range(9), *range(0x0E, 0x20), *range(0x7F, 0x85), *range(0x86, 0xA0)]))
_ZERO_WIDTH = "\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069"
_ZERO_WIDTH += "\ufeff\xad"
_SPACES = "\xa0\u202f\u205f" + "".join(map(chr, range(0x2000, 0x200B)))
_SMALL_FORMS = dict(zip("｡､﹐﹑﹒﹔﹕﹖﹗", "。、，、。；：？！", strict=True))
_WIDE = dict(zip(",?!:;", "，？！：；", strict=True))

# A pattern begins with the sign itself and looks back after it: so the search runs at the speed of finding one sign.
# The joiners shape emoji and Indic letters; after Hanzi and ASCII (and what NFC makes ASCII) they mean nothing.
_JOINERS = re.compile(f"[\u200c\u200d](?<=[{_H}\U00020000-\U0003ffff\x20-\x7e\u037e\u1fef\u212a].)[\u200c\u200d]*")
_ASCII_MARKS = {mark: re.compile(rf"\{mark}(?<=[{_H}]\{mark})(?![A-Za-z0-9/])") for mark in _WIDE}
# (what occurs where the pattern can match, the pattern, its replacement)
_IN_CONTEXT = (
    ("．", re.compile(f"．(?<=[{_CJK}]．)"), "。"),
    *((dot * 3, re.compile(rf"\{dot}(?<=[{_CJK}]\{dot})\{dot}\{dot}+"), "……") for dot in ".。·"),
    ("………", re.compile(f"…(?<=[{_CJK.replace('…', '')}]…)……+"), "……"),
    ("--", re.compile(rf"-(?<=[{_CJK}]-)-+(?=[{_CJK}\s])"), "——"),
)
_INDENTATION = re.compile(f"\n[{_BLANKS}]+(?=[{_CJK}])")
_BLANK_LINES = re.compile(r"\n(?=\n\n)\n+")


def normalise(text: str, letters: set[str]) -> tuple[str, Counter[str]]:
    """The normalised text and the changes by kind. `letters` has the text's characters and gets what the steps add."""
    changes: Counter[str] = Counter()
    for kind, step in (
        ("line_ends", _line_ends),
        ("control_characters", _replacing(_CONTROLS, "")),
        ("special_spaces", _replacing(_SPACES, " ")),
        ("zero_width", _replacing(_ZERO_WIDTH, "")),
        ("zero_width", _joiners),
        ("nfc", _nfc),
        ("punctuation", _punctuation),
        ("trailing_blanks", _trailing_blanks),
        ("indentation", _indentation),
        ("blank_lines", _blank_lines),
        ("outer_blanks", _outer_blanks),
    ):
        text, count = step(text, letters)
        changes[kind] += count
    return text, +changes


Step = Callable[[str, set[str]], tuple[str, int]]


def replace_each(text: str, pairs: Iterable[tuple[str, str]]) -> tuple[str, int]:
    """Each first string of a pair replaced by its second, one pair after the other, and how many there were."""
    total = 0
    for old, new in pairs:
        count = text.count(old)
        if count:
            text, total = text.replace(old, new), total + count
    return text, total


def _replacing(characters: str, replacement: str) -> Step:
    def step(text: str, letters: set[str]) -> tuple[str, int]:
        found = letters.intersection(characters)
        if not found:
            return text, 0
        letters.difference_update(found)
        letters.update(replacement)
        if len(found) < 8:
            return replace_each(text, ((c, replacement) for c in sorted(found)))
        before = len(text)  # many kinds, a binary file: one pass counts them all
        count = before - len(text.translate(dict.fromkeys(map(ord, found))))
        return text.translate(dict.fromkeys(map(ord, found), replacement)), count

    return step


def _line_ends(text: str, letters: set[str]) -> tuple[str, int]:
    found = letters.intersection(_LINE_ENDS)
    if not found:
        return text, 0
    letters.difference_update(found)
    letters.add("\n")
    return replace_each(text, [("\r\n", "\n"), *((c, "\n") for c in sorted(found))])


def _joiners(text: str, letters: set[str]) -> tuple[str, int]:
    return _JOINERS.subn("", text) if letters & {"\u200c", "\u200d"} else (text, 0)


def _nfc(text: str, letters: set[str]) -> tuple[str, int]:
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text, 0
    composed = unicodedata.normalize("NFC", text)
    letters.update(composed)
    return composed, max(1, abs(len(text) - len(composed)))


def _punctuation(text: str, letters: set[str]) -> tuple[str, int]:
    """Chinese punctuation where Chinese is written; a text without Hanzi keeps its own."""
    small = letters.intersection(_SMALL_FORMS)
    text, total = replace_each(text, ((c, _SMALL_FORMS[c]) for c in sorted(small)))
    letters.update(_SMALL_FORMS[c] for c in small)
    if not any(map(is_hanzi, letters)):
        return text, total
    for mark in sorted(letters.intersection(_WIDE)):
        text, count = _ASCII_MARKS[mark].subn(_WIDE[mark], text)
        total += count
        letters.add(_WIDE[mark])
    changed = 1
    while changed:  # what one pattern makes can be what another asks for before or after it
        changed = 0
        for sign, pattern, replacement in _IN_CONTEXT:
            if sign[0] in letters and sign in text:
                text, count = pattern.subn(replacement, text)
                changed += count
                letters.update(replacement if count else "")
        total += changed
    return text, total


def _trailing_blanks(text: str, letters: set[str]) -> tuple[str, int]:
    blanks = letters.intersection(_BLANKS)
    if not any(b + "\n" in text for b in blanks) and not text.endswith(tuple(blanks)):
        return text, 0
    lines = text.split("\n")
    stripped = [line.rstrip(_BLANKS) for line in lines]
    return "\n".join(stripped), sum(len(a) != len(b) for a, b in zip(lines, stripped, strict=True))


def _indentation(text: str, letters: set[str]) -> tuple[str, int]:
    blanks = letters.intersection(_BLANKS)
    indented = any("\n" + b in text for b in blanks) or text.startswith(tuple(blanks))
    if not indented or not any(map(is_hanzi, letters)):
        return text, 0
    text, count = _INDENTATION.subn("\n", "\n" + text)
    return text[1:], count


def _blank_lines(text: str, letters: set[str]) -> tuple[str, int]:
    return _BLANK_LINES.subn("\n\n", text) if "\n\n\n" in text else (text, 0)


def _outer_blanks(text: str, letters: set[str]) -> tuple[str, int]:
    inner = text.strip()
    return inner, (inner[:1] != text[:1]) + (inner[-1:] != text[-1:])

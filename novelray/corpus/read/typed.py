"""What typists of plain text write for print: `_italics_`, `[Illustration: ...]`, `[12]` for a note, `{34}` for a page.

Other formats have markup for these, which readers drop; so that the same book is the same text, they go here too.
"""

from __future__ import annotations

import re
from collections import Counter

from novelray.corpus.read.signs import lacks

_ITALICS = re.compile(r"_(?=[^\s_])([^_\n]{1,2000})(?<=[^\s])_(?!\w)")
_FACE = re.compile(r"[\^;><TOo=.,*\-]+")  # emoticons such as ^_^ and -_-
_ILLUSTRATION = re.compile(r"\[(?:Illustrations?|Frontispiece|插[图圖]|[图圖])(?:[:：. ][^\[\]]{0,2000})?\]", re.I)
_ANCHOR = re.compile(r"\[(?:[0-9]{1,3}|(?:FN|fn|Footnote|注)[ -]?[0-9A-Z]{1,3})\]")


def without_marks(text: str) -> tuple[str, Counter[str]]:
    """The text without those signs; the words inside italics stay. Characters taken off, by kind."""
    removed: Counter[str] = Counter()
    if lacks(text, "[_"):
        return text, removed
    for sign, kind, pattern, replace in (
        ("[", "illustrations", _ILLUSTRATION, _nothing),
        ("[", "note_anchors", _ANCHOR, _unless_it_begins_a_line),
        ("_", "italics", _ITALICS, _inside),
    ):
        if sign in text:
            before = len(text)
            text = pattern.sub(replace, text)
            removed[kind] += before - len(text)
    return text, removed


def _nothing(match: re.Match[str]) -> str:
    return ""


def _unless_it_begins_a_line(match: re.Match[str]) -> str:
    """The number of a note stays before the note's own text."""
    before = match.string[match.start() - 1 : match.start()]
    return "" if before and not before.isspace() and before != "[" else match[0]


def _inside(match: re.Match[str]) -> str:
    """What the underscores enclose; those inside a word, and emoticons, stay."""
    before = match.string[match.start() - 1 : match.start()]
    return match[0] if before.isalnum() or before == "_" or _FACE.fullmatch(match[1]) else match[1]

"""English words in one spelling, British or American, case kept. Names stay as they are written."""

from __future__ import annotations

import re
from collections import Counter

from novelray.corpus.clean.spelling_table import pairs

_WORD = re.compile(r"[A-Za-z]+")
# Before a word that is capitalised inside a sentence: a small letter or a comma and a blank, or a title.
_INSIDE = re.compile(r"(?:[a-z,;]|\b(?:Mr|Mrs|Ms|Dr|St|Capt|Col|Lt|Prof)\.) \Z")


def respell(text: str, wanted: str, names: tuple[str, ...]) -> tuple[str, Counter[str]]:
    """The text in the `wanted` spelling (`british` or `american`), and the counts `spelling` and `names_kept`.

    A capitalised word that the book also capitalises inside a sentence is a name (Mr. Gray, Pearl Harbor) and kept.
    """
    table = pairs(wanted)
    places = [m for m in _WORD.finditer(text) if m.group().lower() in table]
    known = {word.lower() for name in names for word in _WORD.findall(name)}
    known |= {m.group().lower() for m in places if m.group().istitle() and _inside(text, m.start())}
    changes: Counter[str] = Counter()
    parts, done = [], 0
    for match in places:
        word = match.group()
        if not word.islower() and word.lower() in known:
            changes["names_kept"] += 1
            continue
        parts += [text[done : match.start()], _cased(table[word.lower()], word)]
        done = match.end()
        changes["spelling"] += 1
    return "".join([*parts, text[done:]]), +changes


def _inside(text: str, at: int) -> bool:
    return bool(_INSIDE.search(text[max(0, at - 8) : at]))


def _cased(word: str, like: str) -> str:
    if like.isupper() and len(like) > 1:
        return word.upper()
    return word.capitalize() if like[0].isupper() else word

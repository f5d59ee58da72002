"""What makes two writings of a sentence the same: script, case, width and marks are folded, character by character.

Hanzi that OpenCC's tables take for each other (traditional, simplified, variants of Taiwan, Hong Kong and Japan) become
one; full-width and accented letters become plain lower case; punctuation, spaces, marks and private characters go. Two
characters may become one, which does no harm here, and one never becomes two, so that a table of 65,536 codes does the
work.
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from novelray.corpus.dedup.groups import groups_of
from novelray.corpus.native import compiled

_native = compiled("sketch")

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

HANZI = range(0x3400, 0xA000)
HANZI_FROM = 0x2E80  # folded codes of alphabets lie below
_CONVERTERS = ("t2s", "tw2t", "hk2t", "jp2t")  # what each takes for one character is one here
_SURROGATES = range(0xD800, 0xE000)  # halves of a character beyond the table stand for themselves
TRADITIONAL, SIMPLIFIED = 1, 2


def fold(text: str) -> U16:
    """The folded UTF-16 code units of a text; what carries no meaning is left out."""
    return fold_counted(text)[0]


def fold_counted(text: str) -> tuple[U16, int]:
    """`fold`, and how many of the units are Hanzi (or kana, hangul, half an astral character)."""
    if _native is not None:
        out = np.empty(2 * len(text), np.uint16)
        count, hanzi = _native.fold(text, fold_table(), out, HANZI_FROM)
        return out[:count], hanzi
    folded = fold_table().take(_units(text), mode="clip")  # every unit is in the table; this spares a check
    bare: U16 = folded[folded != 0]
    return bare, int(np.count_nonzero(bare >= HANZI_FROM))


def script_of(text: str) -> str:
    """`hant` or `hans` by the characters that only one of the two scripts writes; empty where neither prevails."""
    flags = _scripts().take(_units(text), mode="clip")
    traditional, simplified = (int(np.count_nonzero(flags == kind)) for kind in (TRADITIONAL, SIMPLIFIED))
    if traditional == simplified:
        return ""
    return "hant" if traditional > simplified else "hans"


def _units(text: str) -> U16:
    return np.frombuffer(text.encode("utf-16-le", "surrogatepass"), np.dtype("<u2"))


@cache
def fold_table() -> U16:
    """Folded code of each UTF-16 code unit, shape (65536,); 0 is left out."""
    table = np.zeros(1 << 16, np.uint16)
    for code in range(1 << 16):
        table[code] = code if code in _SURROGATES else _plain(chr(code))
    found = [(code, changed[code]) for changed in map(_converted, _CONVERTERS) for code in np.flatnonzero(changed)]
    before, after = np.array(found).T
    return groups_of(len(table), before, after).astype(np.uint16)[table]


@cache
def _scripts() -> U8:
    flags = np.zeros(1 << 16, np.uint8)
    flags[_converted("s2t") != 0] = SIMPLIFIED
    flags[_converted("t2s") != 0] = TRADITIONAL
    return flags


def _plain(char: str) -> int:
    """The code of a letter or number without width, accent and case; 0 for anything else."""
    base = "".join(c for c in unicodedata.normalize("NFKD", char) if not unicodedata.combining(c))
    base = base if len(base) == 1 else char
    lower = base.lower() if len(base.lower()) == 1 else base
    return ord(lower) if unicodedata.category(lower)[0] in "LN" and ord(lower) < 1 << 16 else 0


def _converted(converter: str) -> U16:
    """What OpenCC makes of each Hanzi that it changes; 0 for all others."""
    from opencc import OpenCC

    chars = [chr(code) for code in HANZI]
    changed = np.zeros(1 << 16, np.uint16)
    for before, after in zip(chars, OpenCC(converter).convert("\n".join(chars)).split("\n"), strict=True):
        if after != before and len(after) == 1 and ord(after) < 1 << 16:
            changed[ord(before)] = ord(after)
    return changed

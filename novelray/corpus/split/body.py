"""How much text stands between two places, which tells chapters from lists of headings."""

from __future__ import annotations

import string
from functools import cache

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.alphabet import SIZE
from novelray.corpus.native import compiled

_native = compiled("letters")

TINY = 40  # characters (an alphabet's letters count a half) below which what follows a heading is no chapter
SAMPLE = 2000  # characters from which the size of a longer body is judged

_LETTERS = string.ascii_letters.encode()
_BLANKS = " \n\t\u3000"


def body_size(text: str, start: int, end: int) -> float:
    """About how many characters stand between two places: no blanks, and an alphabet's letters count a half."""
    piece = text[start : min(end, start + SAMPLE)]
    if not piece:
        return 0.0
    blanks, letters = _blanks_and_letters(piece)
    size = len(piece) - blanks - 0.5 * letters
    return size * (end - start) / len(piece)


def _blanks_and_letters(piece: str) -> tuple[int, int]:
    if _native is not None:
        _, blanks, letters = _native.counts(piece, _classes(), 3)
        return blanks, letters
    latin = piece.encode("ascii", "ignore")
    return sum(map(piece.count, _BLANKS)), len(latin) - len(latin.translate(None, _LETTERS))


@cache
def _classes() -> NDArray[np.uint8]:
    """The class of each code point: 1 for blanks, 2 for an alphabet's letters."""
    classes = np.zeros(SIZE, np.uint8)
    classes[list(map(ord, _BLANKS))] = 1
    classes[list(_LETTERS)] = 2
    return classes

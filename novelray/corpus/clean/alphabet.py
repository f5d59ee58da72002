"""Which characters a text has, at memory speed: a step whose characters do not occur need not look for them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BLOCK = 1 << 22  # characters at a time, so that a 100 MB line needs 16 MB and not 400
_SMALL = 4_000  # below this, Python's own set is quicker than clearing the table
SIZE = 0x110000
"""Number of code points: the length of a table that is indexed by character."""


def codes(text: str) -> NDArray[np.uint32]:
    """The code points of a text, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def alphabet(text: str) -> set[str]:
    """The characters that occur in a text, as `set(text)`."""
    if len(text) < _SMALL:
        return set(text)
    seen = np.zeros(SIZE, np.bool_)
    for start in range(0, len(text), _BLOCK):
        seen[codes(text[start : start + _BLOCK])] = True
    return {chr(code) for code in np.flatnonzero(seen).tolist()}


def table(characters: str) -> NDArray[np.bool_]:
    """A table of SIZE flags, true at each of the characters; index it with `codes`."""
    flags = np.zeros(SIZE, np.bool_)
    flags[[ord(c) for c in characters]] = True
    return flags


def is_hanzi(character: str) -> bool:
    """Whether a character is an ideograph of the basic planes or an extension."""
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3400" <= character <= "\u4dbf"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
    )

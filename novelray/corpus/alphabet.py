"""Which characters a text has, at memory speed: a step whose characters do not occur need not look for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.native import compiled

_native = compiled("passes")

_BLOCK = 1 << 22  # characters at a time, so that a 100 MB line needs 16 MB and not 400
_SMALL = 4_000  # below this, Python's own set is quicker
SIZE = 0x110000
"""Number of code points: the length of a table that is indexed by character."""
_KEYS = 1 << 16  # places for pairs of characters

T = TypeVar("T", bound=np.generic)
Codes = NDArray[np.uint32]
Places = NDArray[np.intp]


def codes(text: str) -> Codes:
    """The code points of a text, shape (len(text),)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def looked_up(flags: NDArray[T], points: Codes) -> NDArray[T]:
    """The entry of each code point in a table of SIZE; twice as fast as indexing, which checks what is known here."""
    return flags.take(points, mode="clip")


def flagged(flags: NDArray[np.uint8], points: Codes) -> Places:
    """Where points stand that have an entry in a table of SIZE, in order."""
    if _native is None:
        return np.flatnonzero(looked_up(flags, points))
    out = np.empty(len(points), np.intp)
    return out[: _native.flagged(flags, points, out)]


def alphabet(text: str) -> set[str]:
    """The characters that occur in a text, as `set(text)`."""
    if len(text) < _SMALL:
        return set(text)
    if _native is not None:
        return set(_native.alphabet(text))
    found: set[int] = set()
    for start in range(0, len(text), _BLOCK):
        found.update(np.flatnonzero(np.bincount(codes(text[start : start + _BLOCK]))).tolist())
    return set(map(chr, found))


def table(characters: str) -> NDArray[np.bool_]:
    """A table of SIZE flags, true at each of the characters; see `looked_up`."""
    flags = np.zeros(SIZE, np.bool_)
    flags[[ord(c) for c in characters]] = True
    return flags


@dataclass(frozen=True)
class Pairs:
    """Characters that can stand side by side: the places in a text where one of the first is before one of the second.

    Both are tables of SIZE flags, and `some` has a flag for each place of `_keys`: pairs without one are none. To look
    only there for anything longer is faster than an expression with all of it.
    """

    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    some: NDArray[np.uint8] = field(default_factory=lambda: np.ones(_KEYS, np.uint8))

    @classmethod
    def of(cls, pairs: Iterable[str]) -> Pairs:
        """Those of these pairs of characters, and some of what else their first and second ones make."""
        pairs = list(pairs)
        some = np.zeros(_KEYS, np.uint8)
        some[_keys(codes("".join(pair[0] for pair in pairs)), codes("".join(pair[1] for pair in pairs)))] = 1
        return cls(table("".join(pair[0] for pair in pairs)), table("".join(pair[1] for pair in pairs)), some)

    def places(self, text: str) -> Iterator[int]:
        """Where such a pair begins, in order."""
        for start in range(0, len(text), _BLOCK):
            yield from self._places(text, start, start + _BLOCK)

    def _places(self, text: str, start: int, end: int) -> list[int]:
        if _native is not None:
            found: list[int] = _native.pairs(
                text, start, end, self.first.view(np.uint8), self.second.view(np.uint8), self.some
            )
            return found
        points = codes(text[start : end + 1])
        at = np.flatnonzero(looked_up(self.first, points[:-1]))
        at = at[looked_up(self.second, points[at + 1])]
        places: list[int] = (at[self.some[_keys(points[at], points[at + 1])] != 0] + start).tolist()
        return places


def _keys(before: Codes, after: Codes) -> Codes:
    """A place for each pair of characters, as in native/passes.pyx; different pairs may share one."""
    return (before * np.uint32(0x9E37) ^ after) % np.uint32(_KEYS)


def is_hanzi(character: str) -> bool:
    """Whether a character is an ideograph of the basic planes or an extension."""
    return (
        "\u4e00" <= character <= "\u9fff"
        or "\u3400" <= character <= "\u4dbf"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
    )

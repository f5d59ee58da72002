"""The few places of a novel where personal data can stand, found at memory speed; only there are patterns tried.

A novel has few digits and hardly an `@`. One look-up per character finds them; what is dense enough to be a number, is
followed by the unit of an address or stands with the name of a messenger makes a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.clean.alphabet import SIZE, codes

REACH = 100  # characters before and after a place that belong to its window
_BLOCK = 1 << 22
_DIGIT, _SIGN, _NUMERAL, _UNIT, _MESSENGER = 1, 2, 3, 4, 5
NUMERALS = "〇零○一二三四五六七八九十百幺"
_UNITS = "号號弄栋棟幢室楼樓座院单單"
_HOUSE_UNITS = "号號弄栋棟幢"
_LATIN_MESSENGERS = ("eChat", "echat", "kype")

Places = NDArray[np.intp]


def windows(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the windows, in order, none touching another."""
    start = end = 0
    for place in sorted({*_places(text), *_named(text)}):
        if place - REACH > end:
            if end:
                yield start, end
            start = place - REACH
        end = min(len(text), place + REACH)
    if end:
        yield start, end


def _places(text: str) -> Iterator[int]:
    for start in range(0, len(text), _BLOCK):
        points = codes(text[start : start + _BLOCK + REACH])  # what is cut by a block's end is seen in the next one too
        classes = _classes()[points]
        digits = np.flatnonzero(classes == _DIGIT)
        places = [
            np.flatnonzero(classes == _SIGN),
            _dense(digits, 7, 24),  # telephone, card and ID numbers, with their separators
            _dense(digits, 5, 4),  # five digits without a gap: a QQ number, a postcode
            _dense(_dotted(digits, classes, points), 3, 8),  # an IP address
            _before_unit(digits, classes, points),
            _spoken(classes, points),
            _messenger(classes, points),
        ]
        yield from (np.unique(np.concatenate(places)) + start).tolist()


@lru_cache(maxsize=1)
def _classes() -> NDArray[np.uint8]:
    classes = np.zeros(SIZE, np.uint8)
    for characters, name in (
        ("0123456789０１２３４５６７８９", _DIGIT),
        ("@＠#＃", _SIGN),
        (NUMERALS, _NUMERAL),
        (_UNITS, _UNIT),
        ("微薇", _MESSENGER),
    ):
        classes[[ord(c) for c in characters]] = name
    return classes


def _dense(digits: Places, count: int, span: int) -> Places:
    """Where `count` digits stand within span + 1 characters."""
    if len(digits) < count:
        return digits[:0]
    first, last = digits[: len(digits) - count + 1], digits[count - 1 :]
    dense: Places = first[last - first <= span]
    return dense


def _dotted(digits: Places, classes: NDArray[np.uint8], points: NDArray[np.uint32]) -> Places:
    """Digits before a full stop before a digit."""
    near = digits[digits + 2 < len(points)]
    dotted: Places = near[
        ((points[near + 1] == ord(".")) | (points[near + 1] == ord("．"))) & (classes[near + 2] == _DIGIT)
    ]
    return dotted


def _before_unit(digits: Places, classes: NDArray[np.uint8], points: NDArray[np.uint32]) -> Places:
    """Digits before the unit of an address (88号) or before a capitalised word (12 Baker Street)."""
    near = digits[digits + 2 < len(points)]
    capital = (points[near + 2] >= ord("A")) & (points[near + 2] <= ord("Z"))
    before: Places = near[(classes[near + 1] == _UNIT) | ((points[near + 1] == ord(" ")) & capital)]
    return before


def _spoken(classes: NDArray[np.uint8], points: NDArray[np.uint32]) -> Places:
    """Numbers written in Hanzi: eleven in a row, or before the unit of a house."""
    numerals = np.flatnonzero(classes == _NUMERAL)
    inside = numerals[numerals + 1 < len(points)]
    inside = inside[classes[inside + 1] == _UNIT]
    house = np.isin(points[inside + 1], [ord(c) for c in _HOUSE_UNITS])
    return np.concatenate([_dense(numerals, 11, 10), inside[house]])


def _messenger(classes: NDArray[np.uint8], points: NDArray[np.uint32]) -> Places:
    at = np.flatnonzero(classes == _MESSENGER)
    at = at[at + 1 < len(points)]
    named: Places = at[points[at + 1] == ord("信")]
    return named


def _named(text: str) -> Iterator[int]:
    for name in _LATIN_MESSENGERS:
        at = text.find(name)
        while at >= 0:
            yield at
            at = text.find(name, at + 1)

"""The few places of a novel where personal data can stand, found at memory speed; only there are patterns tried.

A novel has few digits and hardly an `@`. One look-up per character finds them; what is dense enough to be a number, is
followed by the unit of an address or stands with the name of a messenger makes a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.alphabet import SIZE, Codes, Places, codes, flagged, looked_up

REACH = 100  # characters before and after a place that belong to its window
_BLOCK = 1 << 22
_DIGIT, _SIGN, _NUMERAL, _UNIT, _MESSENGER, _LINE, _COLON = range(1, 8)
NUMERALS = "〇零○一二三四五六七八九十百幺"
_UNITS = "号號弄栋棟幢室楼樓座院单單"
_HOUSE_UNITS = "号號弄栋棟幢"
_PAIRS = """
微信 薇信 威信 飞信 飛信 V信 v信 VX Vx vx Ｖ信 ｖ信 ＶＸ ｖｘ 微博 抖音 红书 紅書 快手 陌陌 推特 脸书 臉書 扣扣
企鹅 企鵝 电报 電報 纸飞 紙飛
"""
_NAMES = frozenset(
    ["WeChat", "Wechat", "wechat", "WECHAT", "Skype", "skype", "SKYPE", "WhatsApp", "Whatsapp", "whatsapp", "WHATSAPP"]
)
_PAD = "\n\n\n"  # three characters after a place, or one before it, are always there


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
        # What is cut by a block's end is seen in the next one too.
        points = codes(text[start : start + _BLOCK + REACH] + _PAD)  # before its first character stands its last
        marked = flagged(_classes(), points)
        of = looked_up(_classes(), points[marked])
        digits = marked[of == _DIGIT]
        places = [
            marked[of == _SIGN],
            _dense(digits, 7, 24),  # telephone, card and ID numbers, with their separators
            _dense(digits, 5, 4),  # five digits without a gap: a QQ number, a postcode
            _dense(_joined(digits, ".．", points), 3, 8),  # an IP address
            _dense(_joined(digits, "-－–", points), 2, 4),  # house, entrance and flat
            _before_unit(digits, points),
            _in_handle(digits, marked[of == _LINE], points),
            _colons(marked[of == _COLON], points),
            _spoken(marked[of == _NUMERAL], points),
            _messenger(marked[of == _MESSENGER], points),
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
        ("".join(pair[0] for pair in _PAIRS.split()), _MESSENGER),
        ("_＿", _LINE),
        (":：", _COLON),
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


def _joined(digits: Places, signs: str, points: Codes) -> Places:
    """Digits before one of the signs before a digit."""
    sign = np.isin(points[digits + 1], [ord(c) for c in signs])
    joined: Places = digits[sign & _is(_DIGIT, points[digits + 2])]
    return joined


def _before_unit(digits: Places, points: Codes) -> Places:
    """Digits before the unit of an address (88号) or before a capitalised word (12 Baker Street, 221B Baker Street)."""
    first, second, third = (points[digits + after] for after in (1, 2, 3))
    house = (first == ord(" ")) & _capital(second)
    lettered = _letter(first) & (second == ord(" ")) & _capital(third)
    before: Places = digits[_is(_UNIT, first) | house | lettered]
    return before


def _in_handle(digits: Places, low: Places, points: Codes) -> Places:
    """Digits after a letter (lilei658), and a low line inside a word, as ids have them."""
    low = low[_letter(points[low - 1]) & (_letter(points[low + 1]) | _is(_DIGIT, points[low + 1]))]
    handles: Places = np.concatenate([digits[_letter(points[digits - 1]) | (points[digits - 1] == ord("-"))], low])
    return handles


def _colons(at: Places, points: Codes) -> Places:
    """Two colons side by side: an IPv6 address."""
    double: Places = at[_is(_COLON, points[at + 1])]
    return double


def _is(name: int, points: Codes) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = looked_up(_classes(), points) == name
    return found


def _letter(points: Codes) -> NDArray[np.bool_]:
    return _capital(points) | _capital(points - 32)


def _capital(points: Codes) -> NDArray[np.bool_]:
    capital: NDArray[np.bool_] = (points >= ord("A")) & (points <= ord("Z"))
    return capital


def _spoken(numerals: Places, points: Codes) -> Places:
    """Numbers written in Hanzi: eleven in a row, or before the unit of a house."""
    inside = numerals[_is(_UNIT, points[numerals + 1])]
    house = np.isin(points[inside + 1], [ord(c) for c in _HOUSE_UNITS])
    return np.concatenate([_dense(numerals, 11, 10), inside[house]])


def _messenger(at: Places, points: Codes) -> Places:
    at = at[~_letter(points[at - 1])]  # inside a word it is none
    named: Places = at[np.isin(points[at].astype(np.uint64) * SIZE + points[at + 1], _pairs())]
    return named


@lru_cache(maxsize=1)
def _pairs() -> NDArray[np.uint64]:
    return np.array([ord(pair[0]) * SIZE + ord(pair[1]) for pair in _PAIRS.split()], np.uint64)


def _named(text: str) -> Iterator[int]:
    for tail in {name[1:] for name in _NAMES}:  # rarer than the first letters, and so found faster
        at = text.find(tail) if tail[0] in text else -1
        while at >= 0:
            if text[at - 1 : at] + tail in _NAMES:
                yield at
            at = text.find(tail, at + 1)

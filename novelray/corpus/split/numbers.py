"""Chapter numbers as books write them: Hanzi, Arabic (half and full width), Roman and English words."""

from __future__ import annotations

import re
from functools import cache

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "○": 0, "两": 2, "兩": 2}
_DIGITS |= {c: i for i, c in enumerate("0123456789")} | {c: i for i, c in enumerate("０１２３４５６７８９")}
_DIGITS |= {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", 1)}
_TENS = {"十": 10, "拾": 10, "百": 100, "佰": 100, "千": 1000}
_SHORT = {"廿": "二十", "卅": "三十", "卌": "四十"}
HANZI_NUMBER = "[零〇○一二三四五六七八九十百千两兩廿卅卌壹贰叁肆伍陆柒捌玖拾佰0-9０-９]{1,9}"

_ROMAN = re.compile(r"M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}


def _words(*lines: str) -> list[str]:
    return " ".join(lines).split()


_ONES = _words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
    "eighteen nineteen",
)
_ORDINALS = _words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth",
    "fifteenth sixteenth seventeenth eighteenth nineteenth",
)
_TIES = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_WORDS = {w: i for i, w in enumerate(_ONES, 1)} | {w: i for i, w in enumerate(_ORDINALS, 1)}
_WORDS |= {t: 10 * i for i, t in enumerate(_TIES, 2)} | {t[:-1] + "ieth": 10 * i for i, t in enumerate(_TIES, 2)}
_UNITS = "|".join(_ONES[:9] + _ORDINALS[:9])
WORD_NUMBER = rf"(?:(?:{'|'.join(_TIES)})(?:[ -](?:{_UNITS}))?|{'|'.join(sorted(_WORDS, key=len, reverse=True))})"


@cache
def hanzi_value(text: str) -> int | None:
    """一百二十, 一百十, 一二零, 廿三, 120 → the number; None when it is none."""
    for short, full in _SHORT.items():
        text = text.replace(short, full)
    if not any(c in _TENS for c in text):
        return int("".join(str(_DIGITS[c]) for c in text)) if text else None
    total, digit = 0, None
    for c in text:
        if c in _TENS:
            total += (1 if digit is None or digit == 0 else digit) * _TENS[c]
            digit = None
        else:
            digit = _DIGITS[c]
    return total + (digit or 0)


_TAIL = re.compile(r"(?<=[十百])([一二三四五六七八九])[一二三四五六七八九].*$")


def trimmed_hanzi(text: str) -> str:
    """The number at the head of 十二二班: two digits after a ten are a number and the next word."""
    return _TAIL.sub(r"\1", text)


@cache
def hanzi_values(text: str) -> tuple[int, ...]:
    """`hanzi_value`, then what it would be had its zeros been lost, as happens: 一二 is 12, 102 or 120."""
    plain = hanzi_value(text)
    if plain is None:
        return ()
    if len(text) > 3 or any(c in _TENS or c in _SHORT or not _DIGITS.get(c) for c in text):
        return (plain,)
    digits = str(plain)
    return (plain, *(n for n in range(10, 1000) if str(n).replace("0", "") == digits and n != plain))


@cache
def roman_value(text: str) -> int | None:
    """XIV → 14; None when it is not a Roman number in its usual form."""
    text = text.upper()
    if not text or not _ROMAN.fullmatch(text):
        return None
    values = [_ROMAN_VALUES[c] for c in text]
    return sum(-v if v < following else v for v, following in zip(values, [*values[1:], 0], strict=True))


@cache
def western_value(text: str) -> int | None:
    """12, XII, twelve, twenty-first → the number."""
    if text.isdigit():
        return int(text)
    roman = roman_value(text)
    if roman is not None:
        return roman
    parts = re.split(r"[ -]", text.lower())
    return sum(_WORDS[p] for p in parts) if all(p in _WORDS for p in parts) else None

"""Telephone numbers: mainland China by their forms, others by their forms and the tables of phonenumbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novelray.corpus.privacy.numbers import Span, counted

_CHINA = r"[(（]?(?:\+|00) ?86[)）]?[ -]{0,2}"
# How the eleven digits of a mobile number are grouped, with one kind of separator. Not 4-4-3: two years and a number.
_MOBILE_DIGITS = (
    r"(?:1[3-9]\d{9}|1[3-9]\d(?P<a>[ .\-·])\d{4}(?P=a)\d{4}|1[3-9]\d(?P<b>[ .\-])\d{3}(?P=b)\d{5}"
    r"|1[3-9]\d{2}-\d{3}-\d{4}|1[3-9]\d[ -]\d{8}|1[3-9]\d{5}[ -]\d{4}|1[3-9]\d{3}[ -]\d{6}"
    r"|1(?P<c>[ .\-])[3-9](?:(?P=c)\d){9})"
)
_MOBILE = re.compile(rf"(?<![\d+])(?<!\d\.)(?:\(?86\)?[ -]{{0,2}})?{_MOBILE_DIGITS}(?!\d|[.\-]\d)")
_MOBILE_ABROAD = re.compile(rf"(?<![\d.]){_CHINA}{_MOBILE_DIGITS}(?!\d)")
_WITH_ZERO = re.compile(
    r"(?<![\d.])(?<!\d-)(?<!(?<!\d)\d{4} )"
    r"(?P<number>(?:\(?(?:\+|00) ?8[56]\d?\)?[ -]{0,2})?(?:[(（]0\d{1,4}[)）]|0\d{1,4})[ -]{0,2}"
    r"\d{2,4}[ -]?\d{2,4}(?:[ -]?\d{1,4})?)(?:(?: ?[-转轉x] ?| ?ext\.? ?)\d{1,6})?(?!\d)"
)
_FREE = re.compile(r"(?<![\d.-])[48]00(?:[ -]\d{3}[ -]\d{4}|[ -]\d{4}[ -]\d{3}|[ -]\d{7})(?![\d-])")
_AMERICAN = re.compile(
    r"(?<![\d.-])(?:\+?1[ .-])?"
    r"(?:[(（][2-9]\d\d[)）][ -]?[2-9]\d\d[ .-]|[2-9]\d\d(?P<s>[.-])[2-9]\d\d(?P=s))\d{4}(?![\d-])"
)
_INTERNATIONAL = re.compile(r"(?<![\d+])(?:\+|00) ?[1-9](?:[ .\-()（）]{0,2}\d){6,14}(?!\d)")
_AFTER_NAME = re.compile(
    r"(?:电话|電話|手机|手機|座机|座機|热线|熱線|传真|傳真|致电|致電|拨打|撥打|来电|來電|号码|號碼|短信|簡訊|"
    r"联系方式|聯繫方式|[Tt]el|TEL|[Pp]hone|PHONE|[Mm]obile|[Cc]ell|[Ff]ax|FAX|[Cc]all)[^\d\n。！？]{0,8}?"
    r"(?P<number>[+(（]?\d(?:[ \-()（）]{0,2}\d){6,13})(?! ?\d|[.\-]\d)"
)
_SPOKEN_DIGITS = "〇零○一二三四五六七八九幺"
_SPOKEN = re.compile(
    f"(?<![{_SPOKEN_DIGITS}十百])[一幺][三四五六七八九][{_SPOKEN_DIGITS}]{{9}}(?![十百]|[{_SPOKEN_DIGITS}]{{3}})"
)
_REGIONS = ("CN", "TW", "GB", "JP")


def phones(text: str) -> Iterator[Span]:
    """Telephone numbers; a plain number that counts something (第…章, …元) is none."""
    for start, end in _candidates(text):
        if not (text[start:end].isdigit() and counted(text, start, end)):
            yield start, end


def _candidates(text: str) -> Iterator[Span]:
    for pattern in (_MOBILE_ABROAD, _MOBILE, _FREE, _AMERICAN):
        yield from (m.span() for m in pattern.finditer(text))
    for match in _WITH_ZERO.finditer(text):
        if _is_landline(match["number"]) or _is_landline(re.sub(r"[ -]\d{1,4}\Z", "", match["number"])):
            yield match.span()  # with its extension
    for match in _INTERNATIONAL.finditer(text):
        length = _international(match.group())
        if length:
            yield match.start(), match.start() + length
    yield from (m.span("number") for m in _AFTER_NAME.finditer(text))
    yield from (m.span() for m in _SPOKEN.finditer(text))


def _is_landline(number: str) -> bool:
    return sum(map(str.isdigit, number)) >= 9 and any(_is_valid(number, region) for region in _REGIONS)


def _international(number: str) -> int:
    """How long the number at the beginning is: what follows it can be another number. 0: there is none."""
    while len(number) > 7:
        plus = "+" + number[2:] if number.startswith("00") else number
        if _is_valid(plus, None, possible=number.startswith("+")):
            return len(number)
        number = re.sub(r"[ .\-()（）]*\d*\Z", "", number)
    return 0


def _is_valid(number: str, region: str | None, possible: bool = False) -> bool:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return False
    return bool(phonenumbers.is_valid_number(parsed) or (possible and phonenumbers.is_possible_number(parsed)))

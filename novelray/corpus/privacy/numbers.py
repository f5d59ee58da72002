"""Numbers that identify: ID, passport and bank card numbers, IP addresses. A checksum or a context decides."""

from __future__ import annotations

import datetime
import ipaddress
import re
from collections.abc import Iterator

Span = tuple[int, int]

# Looked ahead for, so that a number right before it (in 2019 110101…) does not hide it.
_ID_18 = re.compile(r"(?<![\dA-Za-z])(?=(?P<number>[1-9](?:[ -]?\d){16}[ -]?[\dXx])(?![\dA-Za-z]))")
_ID_15 = re.compile(r"(?<![\d.])[1-9]\d{5}[ -]?\d{6}[ -]?\d{3}(?![\d.]\d|\d)")
_ID_HONG_KONG = re.compile(r"(?<![A-Za-z])[A-Z]{1,2}\d{6} ?[(（][0-9A][)）]")
_ID_TAIWAN = re.compile(r"(?<![A-Za-z])[A-Z][1289]\d{8}(?!\d)")
_ID_US = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_REGIONS = {1: "12345", 2: "123", 3: "1234567", 4: "123456", 5: "01234", 6: "12345", 7: "1", 8: "123"}
_PROVINCES = frozenset(f"{region}{province}" for region, provinces in _REGIONS.items() for province in provinces)
_TAIWAN_LETTERS = dict(zip("ABCDEFGHJKLMNPQRSTUVXYWZIO", range(10, 36), strict=True))

_PASSPORT = re.compile(
    r"(?:护照|護照|通行证|通行證|[Pp]assport|PASSPORT)(?:号码|號碼|号|號| (?:[Nn]umber|[Nn]o\.?|NO\.?|#))?"
    r"[ :：是为為\"“「(（]{0,4}(?:is |was )?(?P<number>[A-Z]{0,3}\d{6,9})(?![\dA-Za-z])"
)

_CARD_GROUPED = re.compile(
    r"(?<![\d-])(?:\d{4}(?P<s>[ -])\d{4}(?P=s)\d{4}(?P=s)\d{1,4}(?:(?P=s)\d{1,3})?|3[47]\d\d[ -]\d{6}[ -]\d{5}"
    r"|\d{6}[ -]\d{10,13})(?![\d-])"
)
_CARD_PLAIN = re.compile(r"(?<![\d.])\d{13,19}(?!\d)")
_CARD_CONTEXT = re.compile(
    r"(?:卡|账号|賬號|帐号|帳號|账户|賬戶|帐户|帳戶|银行|銀行|汇款|匯款|转账|轉賬|打款|银联|銀聯|支付|"
    r"[Cc]ard|CARD|[Vv]isa|VISA|[Mm]aster|[Aa]ccount|[Aa]mex|[Bb]ank)[^\d\n]{0,16}\Z"
)
_COUNTED = re.compile("[万萬亿億]?(?:元|块|塊|两|兩|%|美金|美元)")

_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d]|\.\d)")
_IPV6 = re.compile(r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:])")
_IP_CONTEXT = re.compile(r"(?:IP|ip|Ip|服务器|服務器|主机|主機|地址|[Ss]erver|[Hh]ost|[Aa]ddress)[^\d\n]{0,8}\Z")


def counted(text: str, start: int, end: int) -> bool:
    """Whether a number counts something: 第…章, an amount of money, a percentage."""
    return text[start - 1 : start] in ("第", "¥", "$", "€", "£") or bool(_COUNTED.match(text, end))


def id_numbers(text: str) -> Iterator[Span]:
    """Identity numbers of the PRC (18 digits by checksum, 15 by date and province), Hong Kong, Taiwan and the US."""
    yield from (m.span("number") for m in _ID_18.finditer(text) if _is_prc_18(m["number"]))
    checks = ((_ID_15, _is_prc_15), (_ID_HONG_KONG, _is_hong_kong), (_ID_TAIWAN, _is_taiwan))
    for pattern, valid in checks:
        yield from (m.span() for m in pattern.finditer(text) if valid(m.group()))
    yield from (m.span() for m in _ID_US.finditer(text))


def _is_prc_18(number: str) -> bool:
    from stdnum.cn.ric import calc_check_digit

    number = re.sub("[ -]", "", number).upper()
    return number[:2] in _PROVINCES and _is_date(number[6:14]) and calc_check_digit(number) == number[-1]


def _is_prc_15(number: str) -> bool:
    number = re.sub("[ -]", "", number)
    return number[:2] in _PROVINCES and _is_date("19" + number[6:12])


def _is_date(digits: str) -> bool:
    try:
        datetime.date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def _is_hong_kong(number: str) -> bool:
    letters = re.match("[A-Z]+", number)
    assert letters is not None
    values = [ord(c) - 55 for c in letters.group().rjust(2, "[")] + [int(c) for c in re.findall(r"\d", number)[:6]]
    check = number[-2]
    weighted = sum(v * w for v, w in zip(values, range(9, 1, -1), strict=True))
    return (weighted + (10 if check == "A" else int(check))) % 11 == 0


def _is_taiwan(number: str) -> bool:
    region = _TAIWAN_LETTERS[number[0]]
    digits = [region // 10, region % 10, *map(int, number[1:])]
    return sum(d * w for d, w in zip(digits, (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), strict=True)) % 10 == 0


def passports(text: str) -> Iterator[Span]:
    """Passport numbers: only where the text says so, as they have no checksum."""
    yield from (m.span("number") for m in _PASSPORT.finditer(text))


def bank_cards(text: str) -> Iterator[Span]:
    """Card numbers by Luhn's checksum and the issuer's range; of the range no more is asked where a card is spoken of.

    A number of another length than a card mostly has (16 and 19 digits) needs the context, or groups.
    """
    for match in _CARD_GROUPED.finditer(text):
        digits = re.sub("[ -]", "", match.group())
        if _luhn(digits) and _has_issuer(digits):
            yield match.span()
    for match in _CARD_PLAIN.finditer(text):
        number = match.group()
        context = len(number) > 14 and _CARD_CONTEXT.search(text, max(0, match.start() - 24), match.start())
        shown = context or (len(number) in (16, 19) and _has_issuer(number))
        if shown and _luhn(number) and not counted(text, *match.span()):
            yield match.span()


def _luhn(digits: str) -> bool:
    doubled = (sum(divmod(2 * int(d), 10)) for d in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _has_issuer(digits: str) -> bool:
    length, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if two in (34, 37):
        return length == 15
    if digits[0] == "4":
        return length in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return length == 16
    return (two in (60, 62, 64, 65, 81, 95) or 3528 <= four <= 3589) and 16 <= length <= 19


def ip_addresses(text: str) -> Iterator[Span]:
    """IPv4 and IPv6 addresses. Four small numbers can be a version or a section; these need a context."""
    for match in _IPV4.finditer(text):
        parts = match.group().split(".")
        plain = all(p == str(int(p)) and int(p) < 256 for p in parts)
        context = _IP_CONTEXT.search(text, max(0, match.start() - 16), match.start())
        if (
            plain
            and (context or any(len(p) > 1 for p in parts))
            and text[match.start() - 1 : match.start()] not in "vV"
        ):
            yield match.span()
    for match in _IPV6.finditer(text):
        if match.group().count(":") == 7 or "::" in match.group():
            try:
                ipaddress.IPv6Address(match.group())
            except ValueError:
                continue
            yield match.span()

"""Street addresses with a house number, Chinese and English. A street alone, as stories have them, is none.

A Chinese address needs a place before the street (省 市 区 县 镇, or the name of a large city), or a second level after
the house number (楼 单元 室), or words that announce it. An English one needs a town with a state, or a postcode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from novelray.corpus.privacy.numbers import Span
from novelray.corpus.privacy.places import CITIES, PROVINCES, STATES

_HAN = r"[\u4e00-\u9fff]"
_KNOWN = re.compile("|".join(sorted((*CITIES, *PROVINCES), key=len, reverse=True)))
_AREA_END = (
    "特别行政区|特別行政區|自治区|自治區|自治州|自治县|自治縣|开发区|開發區|高新区|高新區|工业园区|工業園區|新区|新區|街道"
    "|省|市|州|盟|地区|地區|(?<!小)[区區]|县|縣|旗|镇|鎮|乡|鄉|村"
)
_NUMBER = r"[甲乙丙丁]?(?:\d{1,5}(?:[-之]\d{1,4})?|[一二三四五六七八九十百零〇○两]{1,7})"
_ROAD = "大道|大街|马路|馬路|公路|环路|環路|胡同|里弄|路|街|巷|弄|道|里|村|组|組|屯"
_SECTION = "(?:[东南西北中東一二三四五六七八九十]{0,2}(?:段|路|巷|弄|街|区|區)|[东南西北中東])?"
_WITHIN = rf"(?: ?{_NUMBER} ?(?:弄|巷|组|組|队|隊|社|街坊)){{0,3}}"  # a lane of the street, a group of the village
_HOUSE = "(?:号楼|號樓|号院|號院|号|號|弄|栋|棟|幢)"
_BESIDE = r"(?:[-–之]\d{1,4}(?![\d年月日])[号號]?)?"
_ESTATE = (
    "小区|小區|花园|花園|花苑|公寓|大厦|大廈|广场|廣場|家园|家園|新村|社区|社區|嘉园|嘉園|名苑|雅苑|苑|园|園|城"
    "|庄园|莊園|府|湾|灣|院|里"
)
_LEVEL_END = "号楼|號樓|号院|號院|单元|單元|号|號|栋|棟|幢|座|层|層|楼|樓|室|房|户|戶|门|門|铺|鋪|期"
_LEVEL = rf"(?:[ ,，]?(?:{_NUMBER}|[A-Za-z]\d{{0,4}}|[甲乙丙丁东南西北東])(?:{_LEVEL_END}))"
_LAST = r"(?:[ ,，]?(?:[A-Za-z]?\d{2,4})(?:[-–]\d{1,4})*(?![\d年月日]))?"
_INNER = rf"(?:[A-Za-z]{{0,8}}{_HAN}{{2,8}}?(?:{_ESTATE}))"
_DASHED = r"\d{1,3}[-–]\d{1,3}[-–]\d{2,4}(?![-–\d年月日])"  # 3-2-501: house 3, entrance 2, flat 501
_AREAS = rf"(?:{_HAN}{{1,8}}?(?:{_AREA_END})[ ,，]?){{1,6}}"
_STREET = rf"{_HAN}{{1,8}}?(?:{_ROAD}){_SECTION}{_WITHIN} ?{_NUMBER} ?{_HOUSE}{_BESIDE}"
_VILLAGE = rf"(?<=[村屯庄莊]){_WITHIN} ?{_NUMBER} ?{_HOUSE}{_BESIDE}"  # the village is the last of the areas
_ROOMS = rf"(?:{_DASHED}|{_LEVEL}{{1,5}}{_LAST})"
_DETAIL = rf"(?:{_INNER}?{_ROOMS})"
_ESTATE_ONLY = rf"{_HAN}{{2,10}}?(?:{_ESTATE}){_ROOMS}"
_SAID = "地址|住址|寄到|寄往|邮寄到|郵寄到|家住|住在|[門门]牌"
_CHINESE = (
    re.compile(rf"(?P<areas>{_AREAS})(?:{_STREET}{_DETAIL}?|{_VILLAGE}|{_ESTATE_ONLY})"),
    re.compile(rf"(?P<areas>(?:{_KNOWN.pattern}))(?:{_HAN}{{0,6}}?)(?=[^\n]{{0,14}}\d){_STREET}{_DETAIL}?"),
    re.compile(rf"(?P<areas>){_STREET}{_INNER}?{_LEVEL}{{1,5}}{_LAST}"),
    re.compile(rf"(?P<areas>){_HAN}{{2,10}}?(?:{_ESTATE}){_LEVEL}{{2,5}}{_LAST}"),
    re.compile(rf"(?:{_SAID})(?:[是为為在] ?|[:：] ?)?(?P<areas>)(?P<body>{_STREET}{_DETAIL}?)"),
)
_HOUSE_NUMBER = re.compile(rf"{_DASHED}|{_NUMBER} ?(?:号|號|弄|栋|棟|幢)|\d ?(?:室|座|楼|樓|单|單|院)")
_BEFORE, _BEHIND = 60, 40  # characters of an address before and behind its house number
_STOP = re.compile(
    "[了在到于於住是至往来來回的把给給寄：:，,。、！？我你他她们們址有过過着著向“「『从從就和与與说說道]"
)

_WORDS = r"(?:[A-Z][A-Za-z'’.-]{0,20}|\d{1,3}(?:st|nd|rd|th)|of|the|de|la) "
_STREET_END = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Way"
    r"|Parkway|Pkwy|Highway|Hwy|Crescent|Close|Gardens|Row|Circle|Cir|Broadway)(?![A-Za-z])\.?"
)
_FLAT = (
    r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Rm|#)\.? ?#?[A-Za-z0-9-]{1,6}"
    r"|, [0-9]{1,3}(?:st|nd|rd|th) [Ff]loor)?"
)
_TOWN = r"(?:,[ \n][A-Z][A-Za-z.'’-]{1,20}(?: [A-Z][A-Za-z.'’-]{1,20}){0,3}){0,3}"
_STATE = rf"(?:[A-Z]{{2}}|{'|'.join(STATES)})"
_ZIP = r"\d{5}(?:-\d{4})?"
_BRITISH_CODE = r"[A-Z]{1,2}\d[A-Z0-9]? ?\d[A-Z]{2}"
_CANADIAN_CODE = r"[A-Z]\d[A-Z] ?\d[A-Z]\d"
_POSTCODE = (
    rf"(?:,?[ \n](?:{_STATE},? {_ZIP}|{_BRITISH_CODE}|{_CANADIAN_CODE}|{_ZIP})(?![A-Za-z0-9])|, {_STATE}(?![A-Za-z]))"
)
_DOOR = (
    r"(?<![\dA-Za-z.,-])(?:(?:Flat|Apt\.?|Unit|Suite) [A-Za-z0-9-]{1,5},? )?\d{1,5}[A-Za-z]?(?:[-/]\d{1,4})? "
    r"(?:[NSEW]\.? )?"
)
_ENGLISH = (
    re.compile(rf"{_DOOR}(?:{_WORDS}){{0,4}}?{_STREET_END}{_FLAT}{_TOWN}{_POSTCODE}"),
    re.compile(rf"(?<![A-Za-z])P\.? ?O\.? ?Box \d{{1,6}}{_TOWN}{_POSTCODE}"),
    re.compile(
        r"(?:[Aa]ddress(?: is|:)?|(?:live|lives|living|reside|resides|ship it|mail it|send it) (?:at|to)):? "
        rf"(?P<body>{_DOOR}(?:{_WORDS}){{0,4}}?{_STREET_END}{_FLAT},[ \n][A-Z][a-z]+(?: [A-Z][a-z]+)?)"
    ),
)


def addresses(text: str) -> Iterator[Span]:
    """Street addresses, from the largest place that is named to the last number."""
    yield from _chinese(text)
    for pattern in _ENGLISH:
        yield from (m.span("body") if "body" in pattern.groupindex else m.span() for m in pattern.finditer(text))


def _chinese(text: str) -> Iterator[Span]:
    """House numbers are rare, streets are not: each number is found first, and what stands around it is looked at."""
    done = 0
    for house in _HOUSE_NUMBER.finditer(text):
        if house.start() < done:
            continue
        low, high = max(done, house.start() - _BEFORE), min(len(text), house.end() + _BEHIND)
        for pattern in _CHINESE:
            match = pattern.search(text, low, high)
            if match and match.start() <= house.start() < match.end():
                yield _trimmed(text, match)
                done = match.end()
                break


def _trimmed(text: str, match: re.Match[str]) -> Span:
    """Without the words before the address: it begins at the first known place, else after the last such word."""
    if "body" in match.re.groupindex:
        return match.span("body")
    start, end = match.span()
    head = match.end("areas") if match["areas"] else min(end, start + 10)
    known = _KNOWN.search(text, start, head)
    if known:
        return known.start(), end
    first = re.search(_AREA_END, text[start:head])
    limit = start + first.start() - 1 if first and match["areas"] else head - 3
    stops = [m.end() for m in _STOP.finditer(text, start, max(start, limit))]
    return (stops[-1] if stops else start), end

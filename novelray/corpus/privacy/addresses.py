"""Street addresses with a house number, Chinese and English. A street alone, as stories have them, is none.

A Chinese address needs a place before the street (省 市 区 县 镇, or the name of a large city), or a second level after
the house number (楼 单元 室), or words that announce it. An English one needs a town with a state, or a postcode.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from novelray.corpus.privacy.numbers import Span

_HAN = r"[\u4e00-\u9fff]"
_CITIES = ["北京", "上海", "天津", "重庆", "重慶", "香港", "澳门", "澳門", "台北", "臺北", "高雄", "台中", "臺中", "台南", "臺南", "新北", "桃园", "桃園", "新竹", "广州", "廣州", "深圳", "杭州", "南京", "武汉", "武漢", "成都", "西安", "苏州", "蘇州", "长沙", "長沙", "郑州", "鄭州", "青岛", "青島", "大连", "大連", "宁波", "寧波", "厦门", "廈門", "福州", "济南", "濟南", "沈阳", "瀋陽", "哈尔滨", "哈爾濱", "长春", "長春", "昆明", "贵阳", "貴陽", "南宁", "南寧", "南昌", "合肥", "太原", "石家庄", "石家莊", "兰州", "蘭州", "西宁", "西寧", "银川", "銀川", "乌鲁木齐", "烏魯木齊", "呼和浩特", "拉萨", "拉薩", "海口", "三亚", "三亞", "无锡", "無錫", "东莞", "東莞", "佛山", "珠海", "温州", "溫州", "嘉兴", "嘉興", "绍兴", "紹興", "金华", "金華", "徐州", "常州", "扬州", "揚州", "烟台", "煙台", "洛阳", "洛陽", "开封", "開封", "张家口", "張家口", "张家界", "張家界", "来宾", "來賓", "从化", "從化"]
_PROVINCES = ["河北", "山西", "辽宁", "遼寧", "吉林", "黑龙江", "黑龍江", "江苏", "江蘇", "浙江", "安徽", "福建", "江西", "山东", "山東", "河南", "湖北", "湖南", "广东", "廣東", "海南", "四川", "贵州", "貴州", "云南", "雲南", "陕西", "陝西", "甘肃", "甘肅", "青海", "台湾", "臺灣", "内蒙古", "內蒙古", "广西", "廣西", "西藏", "宁夏", "寧夏", "新疆"]
_KNOWN = re.compile("|".join(sorted((*_CITIES, *_PROVINCES), key=len, reverse=True)))
_AREA_END = "特别行政区|特別行政區|自治区|自治區|自治州|自治县|自治縣|开发区|開發區|高新区|高新區|新区|新區|街道|省|市|州|盟|地区|地區|区|區|县|縣|旗|镇|鎮|乡|鄉|村"
_NUMBER = r"(?:\d{1,5}(?:[-之]\d{1,4})?|[一二三四五六七八九十百零〇○两]{1,7})"
_ROAD = "大道|大街|马路|馬路|公路|环路|環路|胡同|里弄|路|街|巷|弄|道|里|村|组|組|屯"
_SECTION = "(?:[东南西北中東一二三四五六七八九十]{0,2}(?:段|路|巷|弄|街|区|區))?"
_ESTATE = "小区|小區|花园|花園|花苑|公寓|大厦|大廈|广场|廣場|家园|家園|新村|社区|社區|嘉园|嘉園|名苑|雅苑|苑|园|園|城|庄园|莊園|府|湾|灣|院"
_LEVEL_END = "号楼|號樓|号院|號院|单元|單元|号|號|栋|棟|幢|座|层|層|楼|樓|室|房|户|戶|门|門|铺|鋪|期"
_LEVEL = rf"(?:[ ,，]?(?:{_NUMBER}|[A-Za-z]\d{{0,4}}|[甲乙丙丁东南西北東])(?:{_LEVEL_END}))"
_LAST = r"(?:[ ,，]?(?:[A-Za-z]?\d{2,4})(?:[-–]\d{1,4})*(?![\d年月日]))?"
_INNER = rf"(?:{_HAN}{{2,8}}?(?:{_ESTATE}))"
_AREAS = rf"(?:{_HAN}{{1,8}}?(?:{_AREA_END})[ ,，]?){{1,6}}"
_STREET = (
    rf"{_HAN}{{1,8}}?(?:{_ROAD}){_SECTION} ?(?:{_NUMBER}弄 ?)?{_NUMBER} ?(?:号楼|號樓|号院|號院|号|號|弄|栋|棟|幢)"
)
_DETAIL = rf"(?:{_INNER}?{_LEVEL}{{1,5}}{_LAST})"
_ESTATE_ONLY = rf"{_HAN}{{2,10}}?(?:{_ESTATE}){_LEVEL}{{1,5}}{_LAST}"
_CHINESE = (
    re.compile(rf"(?P<areas>{_AREAS})(?:{_STREET}{_DETAIL}?|{_ESTATE_ONLY})"),
    re.compile(rf"(?P<areas>(?:{_KNOWN.pattern}))(?:{_HAN}{{0,6}}?)(?=[^\n]{{0,14}}\d){_STREET}{_DETAIL}?"),
    re.compile(rf"(?P<areas>){_STREET}{_INNER}?{_LEVEL}{{1,5}}{_LAST}"),
    re.compile(rf"(?P<areas>){_HAN}{{2,10}}?(?:{_ESTATE}){_LEVEL}{{2,5}}{_LAST}"),
    re.compile(
        rf"(?:地址|住址|寄到|寄往|邮寄到|郵寄到|家住|住在|[門门]牌)(?:[是为為在] ?|[:：] ?)?(?P<areas>)(?P<body>{_STREET}{_DETAIL}?)"
    ),
)
_HOUSE_NUMBER = re.compile(rf"{_NUMBER} ?(?:号|號|弄|栋|棟|幢)|\d ?(?:室|座|楼|樓|单|單|院)")
_BEFORE, _BEHIND = 60, 40  # characters of an address before and behind its house number
_STOP = re.compile(
    "[了在到于於住是至往来來回的把给給寄：:，,。、！？我你他她们們址有过過着著向“「『从從就和与與说說道]"
)

_WORDS = r"(?:[A-Z][A-Za-z'’.-]{0,20}|\d{1,3}(?:st|nd|rd|th)|of|the|de|la) "
_STREET_END = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Square|Sq|Terrace|Way|Parkway|Pkwy"
    r"|Highway|Hwy|Crescent|Close|Gardens|Row|Circle|Cir|Broadway)(?![A-Za-z])\.?"
)
_FLAT = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Room|Rm|#)\.? ?#?[A-Za-z0-9-]{1,6}|, [0-9]{1,3}(?:st|nd|rd|th) [Ff]loor)?"
_TOWN = r"(?:,[ \n][A-Z][A-Za-z.'’-]{1,20}(?: [A-Z][A-Za-z.'’-]{1,20}){0,3}){0,3}"
_STATES = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|Indiana|Iowa|"
    "Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|Missouri|Montana|Nebraska|Nevada|"
    "New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|"
    "South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West Virginia|Wisconsin|Wyoming"
)
_POSTCODE = rf"(?:,?[ \n](?:(?:[A-Z]{{2}}|{_STATES}),? \d{{5}}(?:-\d{{4}})?|[A-Z]{{1,2}}\d[A-Z0-9]? ?\d[A-Z]{{2}}|[A-Z]\d[A-Z] ?\d[A-Z]\d|\d{{5}}(?:-\d{{4}})?)(?![A-Za-z0-9])|, (?:[A-Z]{{2}}|{_STATES})(?![A-Za-z]))"
_HOUSE = r"(?<![\dA-Za-z.,-])(?:(?:Flat|Apt\.?|Unit|Suite) [A-Za-z0-9-]{1,5},? )?\d{1,5}[A-Za-z]?(?:[-/]\d{1,4})? "
_ENGLISH = (
    re.compile(rf"{_HOUSE}(?:[NSEW]\.? )?(?:{_WORDS}){{0,4}}?{_STREET_END}{_FLAT}{_TOWN}{_POSTCODE}"),
    re.compile(rf"(?<![A-Za-z])P\.? ?O\.? ?Box \d{{1,6}}{_TOWN}{_POSTCODE}"),
    re.compile(
        rf"(?:[Aa]ddress(?: is|:)?|(?:live|lives|living|reside|resides|ship it|mail it|send it) (?:at|to)):? "
        rf"(?P<body>\d{{1,5}}[A-Za-z]? (?:[NSEW]\.? )?(?:{_WORDS}){{0,4}}?{_STREET_END}{_FLAT},[ \n][A-Z][a-z]+(?: [A-Z][a-z]+)?)"
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
    """Without the words before the address: it begins at the first place that is known, else after the last such word."""
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

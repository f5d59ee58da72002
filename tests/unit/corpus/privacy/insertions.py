"""Personal data as people write it, made without the detectors' patterns: valid by python-stdnum and phonenumbers.

Each kind is a function of a random generator that gives an `Item`; nobody's real number is here, only invented ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import phonenumbers
import stdnum.cn.ric
import stdnum.luhn
import stdnum.us.ssn
from phonenumbers import PhoneNumberFormat, PhoneNumberType


@dataclass(frozen=True)
class Item:
    """`text[start:end]` is the personal data; what is around it is how people introduce it."""

    kind: str
    text: str
    start: int
    end: int


Maker = Callable[[Random], Item]


def _bare(kind: str, data: str) -> Item:
    return Item(kind, data, 0, len(data))


def _after(kind: str, words: str, data: str, behind: str = "") -> Item:
    return Item(kind, words + data + behind, len(words), len(words) + len(data))


def _digits(random: Random, count: int) -> str:
    return "".join(random.choice("0123456789") for _ in range(count))


def _full_width(text: str) -> str:
    return text.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)})


# --- telephones ---------------------------------------------------------------------------------------------------

_CARRIERS = ["130", "131", "135", "136", "138", "139", "147", "150", "157", "159", "166", "173", "177", "180", "185"]
_CARRIERS += ["187", "188", "189", "191", "198", "199"]
_HANZI_DIGITS = ["〇一二三四五六七八九", "零一二三四五六七八九", "零幺二三四五六七八九"]
_AREA_CODES = ["010", "020", "021", "022", "0755", "0571", "0512", "025", "027", "028", "029", "0431", "0871", "0451"]
_ABROAD = ["US", "GB", "FR", "DE", "IT", "ES", "JP", "KR", "SG", "MY", "HK", "TW", "MO", "AU", "NZ", "IN", "RU", "CA"]
_ABROAD += ["TH", "VN", "ID", "PH", "NL", "SE", "CH", "BR", "MX", "ZA", "AE", "TR", "PL", "IE"]


def mobile(random: Random) -> Item:
    """A mobile number of mainland China in one of the ways in which it is grouped."""
    number = random.choice(_CARRIERS) + _digits(random, 8)
    grouped = f"{number[:3]}{{0}}{number[3:7]}{{0}}{number[7:]}"
    forms = [number, number, _full_width(number), grouped.format("-"), grouped.format(" "), f"+86 {number}"]
    forms += [f"+86-{number}", f"+86{number}", f"（+86）{number}", f"(+86) {number}", f"86-{number}", f"0086{number}"]
    forms += [f"+86 {grouped.format(' ')}", _full_width(grouped.format("-")), f"+86 {grouped.format('-')}"]
    forms += [f"{number[:4]}-{number[4:7]}-{number[7:]}", grouped.format(".")]
    return _bare("phone", random.choice(forms))


def spoken(random: Random) -> Item:
    """A mobile number in Chinese numerals, as it is read out in a dialogue."""
    number = random.choice(_CARRIERS) + _digits(random, 8)
    return _bare(
        "phone", number.translate(dict(zip(map(ord, "0123456789"), random.choice(_HANZI_DIGITS), strict=True)))
    )


def landline(random: Random) -> Item:
    """A landline of mainland China with its area code, or a service number."""
    area = random.choice(_AREA_CODES)
    number = random.choice("5678") + _digits(random, 7)
    short = f"{number[:4]}{{}}{number[4:]}"
    forms = [f"{area}-{number}", f"({area}){number}", f"（{area}）{number}", f"{area} {number}", f"{area}{number}"]
    forms += [f"{area}-{short.format('-')}", f"{area}-{short.format(' ')}", f"({area}) {short.format(' ')}"]
    forms += [f"{area}-{number}转{_digits(random, 3)}", f"{area}-{number}-{_digits(random, 3)}"]
    forms += [f"+86-{area[1:]}-{number}", f"+86 {area[1:]} {number}", f"400-{_digits(random, 3)}-{_digits(random, 4)}"]
    forms += [f"800-{_digits(random, 3)}-{_digits(random, 4)}", _full_width(f"{area}-{number}")]
    return _bare("phone", random.choice(forms))


def abroad(random: Random) -> Item:
    """The example of a region in phonenumbers, its last digits changed while it stays valid, as written abroad."""
    region = random.choice(_ABROAD)
    kind = random.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    example = phonenumbers.example_number_for_type(region, kind)
    assert example is not None, region
    for _ in range(50):
        other = phonenumbers.PhoneNumber()
        other.merge_from(example)
        other.national_number = example.national_number // 1000 * 1000 + random.randrange(1000)
        if phonenumbers.is_valid_number(other):
            break
    else:
        other = example
    form = random.choice([PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.E164])
    return _bare("phone", phonenumbers.format_number(other, form))


def american(random: Random) -> Item:
    """A number of the US as it is written there."""
    area, middle, last = (
        random.choice(["212", "415", "617", "312", "206"]),
        f"{random.choice('345')}{_digits(random, 2)}",
        "",
    )
    last = _digits(random, 4)
    forms = [
        f"({area}) {middle}-{last}",
        f"{area}-{middle}-{last}",
        f"{area}.{middle}.{last}",
        f"1-{area}-{middle}-{last}",
    ]
    forms += [f"+1 {area}-{middle}-{last}", f"+1 ({area}) {middle}-{last}", f"({area}){middle}-{last}"]
    return _bare("phone", random.choice(forms))


def british(random: Random) -> Item:
    """A number of the United Kingdom as it is written there."""
    forms = [f"020 7{_digits(random, 3)} {_digits(random, 4)}", f"07{random.choice('45789')}00 9{_digits(random, 5)}"]
    forms += [f"(020) 7{_digits(random, 3)} {_digits(random, 4)}", f"0161 496 0{_digits(random, 3)}"]
    return _bare("phone", random.choice(forms))


def announced(random: Random) -> Item:
    """A local number that only its context shows to be one."""
    number = random.choice("2345678") + _digits(random, 7)
    words = random.choice(["电话", "电话：", "電話是", "联系电话：", "手机号码", "打电话", "座机", "传真："])
    return _after("phone", words, random.choice([number, f"{number[:4]}-{number[4:]}", f"{number[:4]} {number[4:]}"]))


# --- e-mail -------------------------------------------------------------------------------------------------------

_USERS = [
    "zhang.wei",
    "li_na88",
    "john.smith",
    "lily",
    "wang+novel",
    "chen-lei",
    "20040512",
    "J.Austen",
    "xm_1990",
    "a",
]
_HOSTS = ["qq.com", "163.com", "gmail.com", "sina.com.cn", "mail.example.org", "126.com", "pku.edu.cn", "outlook.com"]
_HOSTS += ["yahoo.co.uk", "vip.sina.com", "example.museum", "x-mail.io", "foxmail.com", "hotmail.com"]


def email(random: Random) -> Item:
    """An e-mail address; now and then in full-width characters or with # for @."""
    user, host = random.choice(_USERS) + random.choice(["", _digits(random, 3)]), random.choice(_HOSTS)
    address = f"{user}@{host}"
    return _bare("email", random.choice([address] * 6 + [_full_width(address), f"{user}＠{host}", address.upper()]))


# --- identity numbers ---------------------------------------------------------------------------------------------

_COUNTIES = [
    "110101",
    "310104",
    "440305",
    "330106",
    "510107",
    "420111",
    "610113",
    "210203",
    "370202",
    "650102",
    "130102",
]
_COUNTIES += [
    "320505",
    "350203",
    "430104",
    "530102",
    "540102",
    "220102",
    "230102",
    "340104",
    "360102",
    "410105",
    "450102",
]


def _born(random: Random) -> str:
    return f"{random.randint(1935, 2015)}{random.randint(1, 12):02}{random.randint(1, 28):02}"


def identity(random: Random) -> Item:
    """An identity number of the PRC with its check digit."""
    number = ""
    while not stdnum.cn.ric.is_valid(number):  # a county of the year of birth, as python-stdnum has it
        number = random.choice(_COUNTIES) + _born(random) + _digits(random, 3)
        number += stdnum.cn.ric.calc_check_digit(number + "0")
    forms = [number] * 4 + [number.replace("X", "x"), _full_width(number), f"{number[:6]} {number[6:14]} {number[14:]}"]
    forms += [
        f"{number[:6]}-{number[6:14]}-{number[14:]}",
        f"{number[:3]} {number[3:6]} {number[6:10]} {number[10:14]} {number[14:]}",
    ]
    return _bare("id_number", random.choice(forms))


def old_identity(random: Random) -> Item:
    """An identity number of fifteen digits, as it was until 1999."""
    return _bare("id_number", random.choice(_COUNTIES) + _born(random)[2:] + _digits(random, 3))


def social_security(random: Random) -> Item:
    """A social security number of the US, as it is written."""
    while True:
        number = f"{random.randint(1, 899):03}-{random.randint(1, 99):02}-{random.randint(1, 9999):04}"
        if stdnum.us.ssn.is_valid(number):
            return _bare("id_number", number)


# --- bank cards ---------------------------------------------------------------------------------------------------

_ISSUERS = [("622202", 19), ("621700", 19), ("622848", 19), ("625912", 16), ("622588", 16), ("4", 16), ("51", 16)]
_ISSUERS += [("55", 16), ("34", 15), ("37", 15), ("2221", 16), ("3528", 16), ("6011", 16)]


def card(random: Random) -> Item:
    """A card number with Luhn's check digit, in groups or as one number that is said to be a card's."""
    issuer, length = random.choice(_ISSUERS)
    number = issuer + _digits(random, length - len(issuer) - 1)
    number += stdnum.luhn.calc_check_digit(number)
    fours = [number[i : i + 4] for i in range(0, length, 4)]
    if length == 15:
        fours = [number[:4], number[4:10], number[10:]]
    words = ["银行卡号：", "卡号是", "工商银行", "打到我卡上，", "帐号", "信用卡", "card number ", "Visa "]
    forms = [_bare("bank_card", " ".join(fours)), _bare("bank_card", "-".join(fours))]
    forms += [_after("bank_card", random.choice(words), number), _bare("bank_card", _full_width(" ".join(fours)))]
    return random.choice(forms if length == 15 else [*forms, _bare("bank_card", number)])


# --- addresses ----------------------------------------------------------------------------------------------------

_PLACES = ["北京市海淀区", "北京市朝阳区", "上海市徐汇区", "上海市浦东新区", "广东省深圳市南山区", "广东省广州市天河区"]
_PLACES += [
    "浙江省杭州市西湖区",
    "江苏省苏州市工业园区",
    "四川省成都市武侯区",
    "湖北省武汉市洪山区",
    "陕西省西安市雁塔区",
]
_PLACES += [
    "山东省青岛市市南区",
    "福建省厦门市思明区",
    "辽宁省大连市中山区",
    "新疆维吾尔自治区乌鲁木齐市天山区",
    "重庆市渝中区",
]
_PLACES += ["黑龙江省哈尔滨市南岗区", "湖南省长沙市岳麓区", "河南省郑州市金水区", "云南省昆明市五华区", "天津市和平区"]
_PLACES += [
    "广州市越秀区",
    "杭州市余杭区",
    "南京市鼓楼区",
    "内蒙古自治区呼和浩特市赛罕区",
    "江苏省昆山市",
    "浙江省义乌市",
]
_STREETS = ["中关村大街", "建国路", "漕溪北路", "世纪大道", "深南大道", "天河北路", "文三路", "星湖街", "人民南路四段"]
_STREETS += [
    "珞瑜路",
    "长安南路",
    "香港中路",
    "湖滨南路",
    "解放街",
    "花园路",
    "东风西路",
    "南京路",
    "菜市口胡同",
    "学府路",
]
_ESTATES = [
    "阳光花园",
    "万科城",
    "翠苑小区",
    "绿地中央广场",
    "华润大厦",
    "金色家园",
    "幸福里",
    "世茂滨江花园",
    "东方公寓",
]
_VILLAGES = ["河南省周口市沈丘县槐店镇东关村", "河北省保定市安新县大王镇刘家村", "湖南省湘潭市韶山市清溪镇韶山村"]
_VILLAGES += ["四川省广元市剑阁县元山镇石桥村", "贵州省遵义市湄潭县永兴镇茅坝村", "安徽省阜阳市临泉县杨桥镇张庄村"]
_TAIWAN = ["台北市大安區忠孝東路四段", "新北市板橋區文化路一段", "高雄市左營區博愛二路", "台中市西屯區台灣大道三段"]
_HONG_KONG = ["香港九龍尖沙咀彌敦道", "香港中環皇后大道中", "香港灣仔軒尼詩道"]


def address(random: Random) -> Item:
    """A postal address in Chinese, from the largest place to the house or the room."""
    number, block, unit, room = (random.randint(*limits) for limits in ((1, 999), (1, 40), (1, 6), (101, 3208)))
    street = random.choice(_PLACES) + random.choice(_STREETS) + f"{number}号"
    estate = random.choice(_ESTATES)
    forms = [street, street, f"{street}{block}号楼{unit}单元{room}室", f"{street}{estate}{block}栋{room}室"]
    forms += [
        f"{street}{estate}{block}幢{unit}单元{room}",
        f"{street}院{block}号楼{room}",
        f"{street}{estate}A座{room}室",
    ]
    forms += [f"{street}-{random.randint(1, 9)}", f"{random.choice(_PLACES)}{estate}{block}栋{unit}单元{room}室"]
    forms += [f"{random.choice(_VILLAGES)}{random.randint(1, 12)}组{number}号", f"{random.choice(_VILLAGES)}{number}号"]
    forms += [
        f"{random.choice(_TAIWAN)}{number}號{random.randint(2, 12)}樓",
        f"{random.choice(_TAIWAN)}{number}巷{block}號",
    ]
    forms += [f"{random.choice(_HONG_KONG)}{number}號", f"{street}{random.randint(2, 30)}层", _full_width(street)]
    forms += [f"{random.choice(_PLACES)}{random.choice(_STREETS)}甲{number}号", f"{street}院", f"{street}-{block}号"]
    forms += [f"{random.choice(_PLACES)}{estate}{block}-{unit}-{room}", f"{street}{estate}{block}-{unit}-{room}"]
    forms += [f"{random.choice(_PLACES)}{random.choice(_STREETS)}{_hanzi_number(number)}号"]
    forms += [
        f"{street}SOHO现代城B座{room}",
        f"{random.choice(_PLACES)}{estate}{block}号楼{random.randint(1, 30)}层{room}",
    ]
    return _bare("address", random.choice(forms))


def _hanzi_number(number: int) -> str:
    """一百二十三 for 123, numbers below a thousand."""
    hundreds, rest = divmod(number, 100)
    tens, ones = divmod(rest, 10)
    names = "零一二三四五六七八九"
    text = f"{names[hundreds]}百" if hundreds else ""
    text += f"{names[tens]}十" if tens else ("零" if hundreds and ones else "")
    return text + (names[ones] if ones else "")


_AMERICAN_STREETS = [
    "Main Street",
    "Elm St.",
    "Oak Avenue",
    "W. 42nd Street",
    "North Michigan Ave",
    "Sunset Blvd",
    "Park Lane",
]
_AMERICAN_STREETS += ["Washington Square", "Mulberry Court", "Lake Shore Drive", "Martin Luther King Jr. Way"]
_AMERICAN_TOWNS = [
    "Springfield, IL 62704",
    "New York, NY 10036",
    "Los Angeles, CA 90028-1234",
    "Boston, Massachusetts 02108",
]
_AMERICAN_TOWNS += ["Salt Lake City, UT 84101", "Portland, Oregon 97205", "St. Louis, MO 63101"]
_BRITISH_STREETS = ["Baker Street", "High Street", "Church Lane", "Victoria Road", "Kings Crescent", "Abbey Rd"]
_BRITISH_TOWNS = [
    "London NW1 6XE",
    "London, SW1A 1AA",
    "Oxford OX1 3BG",
    "Leeds, West Yorkshire LS1 4AP",
    "Bath BA1 2LN",
]


def western_address(random: Random) -> Item:
    """A postal address of the US or the United Kingdom."""
    number, flat = random.randint(1, 9999), random.choice(["", "", ", Apt 4B", ", Suite 300", " Apt. 12", ", Unit 7"])
    american_form = f"{number} {random.choice(_AMERICAN_STREETS)}{flat}, {random.choice(_AMERICAN_TOWNS)}"
    house = random.choice(
        [f"{number % 300 + 1}", f"{number % 300 + 1}B", f"Flat {number % 20 + 1}, {number % 300 + 1}"]
    )
    british_form = f"{house} {random.choice(_BRITISH_STREETS)}, {random.choice(_BRITISH_TOWNS)}"
    box = f"P.O. Box {number}, {random.choice(_AMERICAN_TOWNS)}"
    return _bare("address", random.choice([american_form] * 4 + [british_form] * 4 + [box]))


# --- messengers, passports, computers -----------------------------------------------------------------------------


def messenger(random: Random) -> Item:
    """An id of a messenger, as it is given in Chinese."""
    latin = random.choice(["xiaoming_", "lilei", "wxid_", "Amy-", "fengzi", "zhang.san"]) + _digits(
        random, random.randint(3, 6)
    )
    number = random.choice("123456789") + _digits(random, random.randint(4, 9))
    word = random.choice(["moonlight", "xiaoyuer", "hanmeimei"])
    pairs = [
        ("微信号：", latin),
        ("加我微信", latin),
        ("微信", latin),
        ("我的微信是", latin),
        ("VX：", latin),
        ("wx:", latin),
    ]
    pairs += [
        ("QQ：", number),
        ("QQ", number),
        ("QQ群", number),
        ("加QQ号", number),
        ("扣扣", number),
        ("企鹅号：", number),
    ]
    pairs += [
        ("微信号是", word),
        ("微信：", word),
        ("LINE ID：", latin),
        ("telegram：@", latin.replace(".", "_").replace("-", "_")),
    ]
    pairs += [
        ("微博@", word),
        ("抖音号", latin),
        ("Skype: ", latin),
        ("WhatsApp：", f"+852 {random.choice('569')}{_digits(random, 3)} {_digits(random, 4)}"),
    ]
    words, data = random.choice(pairs)
    return _after("messenger", words.removesuffix("@"), "@" * words.endswith("@") + data)


def western_messenger(random: Random) -> Item:
    """An id of a messenger, as it is given in English."""
    name = random.choice(["night_owl", "jane.doe", "tom-sawyer", "captain"]) + _digits(random, random.randint(2, 5))
    handle = "@" + name.replace(".", "_").replace("-", "_")
    pairs = [
        ("WeChat: ", name),
        ("my WeChat ID is ", name),
        ("Skype: ", name),
        ("Telegram ", handle),
        ("Instagram: ", handle),
    ]
    pairs += [("Twitter handle ", handle), ("LINE ID: ", name), ("Discord: ", name), ("my Skype is ", name)]
    return _after("messenger", *random.choice(pairs))


def passport(random: Random) -> Item:
    """A passport's number, which only its context shows to be one."""
    number = random.choice(["E", "G", "EA", "ED", "PE"]) + _digits(random, 8)
    words = random.choice(
        ["护照号", "护照号码：", "护照", "護照號碼", "passport number ", "Passport No. ", "港澳通行证"]
    )
    return _after("passport", words, number)


def computer(random: Random) -> Item:
    """An IP address."""
    four = f"{random.randint(11, 223)}.{random.randint(0, 255)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
    six = f"2001:db8:{random.randrange(1, 65536):x}::{random.randrange(1, 65536):x}"
    return _bare("ip_address", random.choice([four, four, four, six]))


CHINESE: dict[str, list[Maker]] = {
    "phone": [mobile, landline, abroad, announced, spoken, mobile],
    "email": [email],
    "id_number": [identity, identity, identity, old_identity],
    "bank_card": [card],
    "address": [address],
    "messenger": [messenger],
    "passport": [passport],
    "ip_address": [computer],
}
ENGLISH: dict[str, list[Maker]] = {
    "phone": [american, abroad, british, american],
    "email": [email],
    "id_number": [social_security, identity],
    "bank_card": [card],
    "address": [western_address],
    "messenger": [western_messenger],
    "passport": [passport],
    "ip_address": [computer],
}
"""What is inserted into novels of each language, by kind."""

"""E-mail addresses and the names that people have in messengers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from novelray.corpus.privacy.numbers import Span

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_EMAIL = re.compile(
    rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_][A-Za-z0-9._%+-]{{0,63}}(?:@|#(?=(?:qq|163|126|gmail|sina|hotmail|outlook)\.))"
    rf"(?:{_LABEL}\.){{1,5}}[A-Za-z]{{2,12}}"
)

_ZH = "微信|薇信|微 信|加威信|V信|v信|飞信|飛信"
_LATIN = "WeChat|Wechat|wechat|WECHAT|Skype|skype|SKYPE|WhatsApp|Whatsapp|whatsapp|WHATSAPP"
_SHORT = "VX|vx|Vx|WX|wx|QQ|qq|Qq|扣扣|企鹅|企鵝|LINE|Line|TG|tg|Telegram|telegram|TELEGRAM|纸飞机|紙飛機|电报|電報"
_PLACES = (
    "推特|微博|抖音|小红书|小紅書|快手|陌陌|脸书|臉書|Twitter|twitter|Instagram|instagram|INS|ins|IG|Facebook|facebook"
)
_PLACES += "|Discord|discord|Signal|Weibo|weibo|TikTok"
_WHAT = (
    "(?: ?(?:群聊|群|公众号|公眾號|号码|號碼|账号|賬號|帐号|帳號|号|號"
    "|ID|Id|id|[Hh]andle|[Uu]sername|[Nn]umber|[Aa]ccount|[Gg]roup))*"
)
_LINK = r"(?P<link> ?(?:\((?:同号|同號)\))? ?(?:[:：=]|就是|是|为|為|叫|is|was| at )? ?)[\"“「『【\[(（]?"
_DIGITS = r"(?:\+?[1-9]\d{0,3}(?:[ -]?\d{2,4}){1,4}|[1-9]\d{4,14})(?!\d)"
_MIXED = r"(?=[A-Za-z0-9.-]{0,30}[\d_])[A-Za-z][A-Za-z0-9_.-]{3,30}[A-Za-z0-9_]"  # with a digit or _: not a word
_LETTERS = r"[A-Za-z][A-Za-z0-9_-]{5,19}"
_END = r"(?![A-Za-z0-9_])"
_ID = re.compile(
    rf"(?<![A-Za-z])(?P<name>{_ZH}|{_LATIN}|{_SHORT}|{_PLACES})(?P<what>{_WHAT}){_LINK}"
    rf"(?P<id>@[A-Za-z0-9_.]{{2,32}}|{_MIXED}|(?P<digits>{_DIGITS})|(?P<letters>{_LETTERS})){_END}"
)
_HANDLE = re.compile(
    rf"(?<![A-Za-z])(?:{_ZH}|{_LATIN}|{_SHORT}|{_PLACES})[^\n@]{{0,15}}(?P<id>@[A-Za-z0-9_][A-Za-z0-9_.]{{1,31}}){_END}"
)
_OF_LETTERS = frozenset((*_ZH.split("|"), *_LATIN.split("|"), "VX", "vx", "Vx"))


def emails(text: str) -> Iterator[Span]:
    """E-mail addresses, also with # for @ where the domain is a well-known one."""
    yield from (m.span() for m in _EMAIL.finditer(text))


def messengers(text: str) -> Iterator[Span]:
    """Ids and handles after the name of a messenger or a network (the id only, its context stays)."""
    for match in _ID.finditer(text):
        if match["letters"] and not (match["name"] in _OF_LETTERS and _is_said(match)):
            continue
        if match["digits"] and sum(map(str.isdigit, match["digits"])) < 5:
            continue
        yield match.span("id")
    yield from (m.span("id") for m in _HANDLE.finditer(text))


def _is_said(match: re.Match[str]) -> bool:
    """Whether a word of letters is said to be an id: after a colon, or after `id is`; between Hanzi nothing else is."""
    link = match["link"].strip()
    return link in (":", "：", "=") or bool(match["what"]) or not match["name"].isascii()

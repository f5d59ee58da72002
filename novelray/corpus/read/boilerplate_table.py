"""What is not the book's text, as data: one rule per kind of notice, in simplified and traditional Chinese and English.

A rule is tried only where one of its `needles` stands. `line`: the whole line has to match and goes; else what matches
inside the line goes. Sentences of a story must not match: line rules refuse lines with dialogue marks or 他 and 她.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """`kind`: under which the removed characters are counted."""

    kind: str
    needles: tuple[str, ...]
    pattern: re.Pattern[str]
    line: bool = True


def _any(needles: str) -> tuple[str, ...]:
    return tuple(needles.split("|"))


_STORY = r"(?![^\n]*(?:[他她“”「」『』]|我(?![们們])))"
_ASKING = r"(?![^\n]*[他她“”「」『』])"  # authors who ask for votes say 我
_TALE = r"(?i)(?!.*(?:[\"“”]|(?<!\.)\b(?:he|she|him|his|her|hers|i|my|me|said)\b))"  # sentences of a story in English
_BEFORE = r"[^\n。！？]"  # what can stand before a notice in its line: no sentence of the story
_OPEN, _CLOSE = r"[（(【\[〔〖《『「]", r"[）)】\]〕〗》』」]"
_INSIDE = r"[^（(【\[〔〖《『「）)】\]〕〗》』」\n]"
_SITE = (
    r"(?:小[说說]|文[学學]|中文|[阅閱][读讀]|[读讀][书書]|看[书書]|[书書][库庫]|[电電]子[书書])"
    r"(?:[网網吧阁閣屋楼樓城站]|[书書][库庫屋]|下[载載]|[论論][坛壇])"
)
URL = (
    r"(?:https?[:：]/{2}[^\s\u3000-\u9fff（）【】]{3,200}|[wWｗＷ]{3} ?[.．。] ?[A-Za-z0-9_.．/\-]{3,100}|"
    r"(?<![\w.-])[A-Za-z0-9-]{2,40}[.．](?:com|net|org|cc|cn|info|me|la|tw|xyz|vip|top)(?![A-Za-z0-9])(?:/[\w./-]{0,100})?)"
)
WEB = ("www", "WWW", "Www", "ｗｗｗ", "ＷＷＷ", "://", "：//", ".com", "．com", ".net", ".org", ".cc", ".cn", ".vip")
_VOTES = r"(?:月票|推[荐薦]票?|收藏|[订訂][阅閱]|打[赏賞]|[鲜鮮]花|[红紅]票|票票)"


def _zh(pattern: str) -> re.Pattern[str]:
    return re.compile(_STORY + pattern)


WEB_RULES: tuple[Rule, ...] = (
    Rule(
        "urls",
        WEB,
        re.compile(
            rf"(?:[^\n。！？.!?“”「」\"]{{0,40}}[:： ]|[^\n。！？.!?“”「」\" ]{{0,12}}){URL}[^\n。！？“”「」\"]{{0,40}}"
        ),
    ),
    Rule("urls", WEB, re.compile(rf"[（(【\[〔〖<]{_INSIDE}{{0,40}}?{URL}{_INSIDE}{{0,40}}[）)】\]〕〗>]"), line=False),
)

CHINESE: tuple[Rule, ...] = (
    *WEB_RULES,
    Rule(
        "site_notices",
        _any("请记住|請記住|一秒记住|一秒記住|记住本站|記住本站|首发域名|首發域名|牢记本站|最新网址|最新網址"),
        _zh(
            rf"{_BEFORE}{{0,40}}(?:[记記]住?.{{0,60}}(?:本站|域名|[网網]址|{_SITE}|{URL})|最新[网網]址[:：]?).{{0,100}}"
        ),
    ),
    Rule(
        "advertising",
        _any("最新章|最快更新|无弹窗|無彈窗|无广告|無廣告|全文阅读|全文閱讀|免费阅读|免費閱讀|加入书签|加入書籤"),
        _zh(
            rf"{_BEFORE}{{0,60}}"
            r"(?:最新章[节節]|最快更新|[无無](?:弹窗|彈窗|广告|廣告)|全文(?:免[费費])?[阅閱][读讀]|免[费費][阅閱][读讀]|"
            r"加入[书書](?:签|籤)).{0,80}(?<![。！？])"
        ),
    ),
    Rule(
        "advertising",
        _any("手机用户|手機用戶|手机阅读|手機閱讀|手机版|手機版|手机请|手機請|手机访问|手機訪問|手机看"),
        _zh(
            rf"{_BEFORE}{{0,20}}"
            r"手[机機](?:用[户戶]|版)?(?:[请請]|直接|看)?(?:浏览|瀏覽|[访訪][问問]|[阅閱][读讀]|登[录錄陆陸]|到|[书書]|小[说說])"
            rf".{{0,30}}(?:[:：]|{URL}|{_SITE}|更[优優]|体验|體驗|[阅閱][读讀]).{{0,60}}"
        ),
    ),
    Rule(
        "page_turns",
        _any("本章未完|本章完|本章结束|本章結束|未完待续|未完待續|下一页|下一頁|返回目录|返回目錄|返回书|返回書"),
        _zh(
            rf"{_OPEN}?[ \u3000]*(?:小提示[:：].{{0,60}}|本章(?:未完|完|[结結]束)|"
            r"未完待[续續]|[请請]?[点點][击擊](?:下一[页頁章]|[这這]里)|"
            r"上一[章页頁].{0,20}(?:返回|下一[章页頁])|返回[书書][页頁目].{0,10}|返回目[录錄]).{0,60}"
        ),
    ),
    Rule(
        "page_turns",
        _any("本章未完|本章完|未完待续|未完待續"),
        re.compile(rf"{_OPEN}(?:本章(?:未完|完)|未完待[续續]){_INSIDE}{{0,60}}{_CLOSE}(?:[-—=]{{0,4}}[>》]{{0,4}})?"),
        line=False,
    ),
    Rule(
        "author_asks",
        _any("月票|推荐票|推薦票|求收藏|求订阅|求訂閱|求打赏|求打賞|求推荐|求推薦|求鲜花|求鮮花|求票|红票"),
        re.compile(
            rf"{_ASKING}(?=.*(?:[求投送][^\n。]{{0,12}}{_VOTES}|求票|感[谢謝].{{0,60}}{_VOTES}|{_VOTES}.{{0,20}}(?:加更|支持|砸|投|走一波))).{{1,200}}"
        ),
    ),
    Rule(
        "author_asks",
        _any("月票|推荐票|推薦票|求收藏|求订阅|求訂閱|求推荐|求推薦"),
        re.compile(
            rf"{_OPEN}(?:(?:PS|ps|Ps)[:：]?|[求跪拜感今新第]){_INSIDE}{{0,80}}{_VOTES}{_INSIDE}{{0,60}}{_CLOSE}"
        ),
        line=False,
    ),
    Rule(
        "site_notices",
        _any("小说|小說|中文网|中文網|文学网|文學網|书库|書庫|书吧|書吧|看书网|读书网|讀書網|阅读网"),
        re.compile(rf"[（(【\[〔〖]{_INSIDE}{{0,40}}{_SITE}{_INSIDE}{{0,60}}[）)】\]〕〗]"),
        line=False,
    ),
    Rule(
        "site_notices",
        _any("小说网|小說網|中文网|中文網|文学网|文學網|小说吧|小說吧|下载网|下載網|书库|書庫|论坛|論壇"),
        _zh(
            rf"{_BEFORE}{{0,40}}{_SITE}.{{0,20}}(?:首[发發]|整理|提供|制作|製作|[欢歡]迎|[为為]您|手打|更新|收集|{URL}).{{0,100}}"
        ),
    ),
    Rule(
        "licence",
        _any("版权归|版權歸|小时内|小時內|互联网|互聯網|网络|網路|網絡|上传之内容|上傳之內容"),
        _zh(
            rf"{_BEFORE}{{0,80}}"
            r"(?:版[权權][归歸].{0,40}(?:所有|作者|原作)|24小[时時][内內].{0,10}[删刪]除|"
            r"(?:本[书書站文作]|作品|[内內]容|[资資]料).{0,20}(?:[来來]自|收集[于於]|[转轉][载載]自)(?:互[联聯][网網]|[网網][络絡路])|"
            r"用[户戶]上[传傳]之[内內]容).{0,120}"
        ),
    ),
    Rule(
        "licence",
        _any("本书由|本書由|本书来自|本書來自|本书下载|本電子書|本电子书|更多|声明|聲明|TXT|txt"),
        _zh(
            rf"{_BEFORE}{{0,10}}"
            r"(?:本(?:[电電]子)?[书書](?:由|[来來]自|下[载載]|[仅僅]供).{1,80}(?:整理|制作|製作|提供|下[载載]|上[传傳]|校[对對]|"
            rf"[网網站坛壇]|交流|[试試][阅閱]|{URL})|更多.{{0,20}}(?:[电電]子[书書]|好[书書]|小[说說]|TXT|txt).{{0,40}}(?:[请請]|[访訪][问問]|下[载載]|{URL})|"
            r"[声聲]明[:：].{0,100}(?:本[站书書]|版[权權]|[网網]站)|(?:TXT|txt)(?:全集|[电電]子[书書]|小[说說])?下[载載]).{0,120}"
        ),
    ),
)

ENGLISH: tuple[Rule, ...] = (
    *WEB_RULES,  # needles begin with a capital or a rare letter: the search for them is then fast
    Rule(
        "site_notices",
        _any(
            "Amazon|Royal Road|RoyalRoad"
        ),
        re.compile(
            rf"{_TALE}(?=.*\b(?:stor(?:y|ies)|narrative|tale|content|text|novel|work|author)\b)"
            r"(?=.*\b(?:report|if you|sightings?|(?:on|from|at) (?:amazon|royal ?road)|author['’]s|originates?|"
            r"belongs)\b)"
            r"(?=.*\b(?:stolen|taken|lifted|pilfered|purloined|misappropriated|unlawful\w*|illicit\w*|unauthori[sz]ed|"
            r"without (?:the author['’]s )?(?:permission|consent))\b).{1,400}"
        ),
    ),
    Rule(
        "advertising",
        _any(
            "Novelbin|NovelBin|Lightnovel|LightNovel|Webnovel|WebNovel|Boxnovel|Wuxiaworld|WuxiaWorld|"
            "-to-date novels|kmark this|Read latest|Read the latest"
        ),
        re.compile(
            rf"{_TALE}(?=.*(?:read|visit|updated?|upload|publish|latest|bookmark|find|follow))"
            r"(?=.*(?:novelbin|lightnovel|webnovel|boxnovel|wuxiaworld|latest chapters? (?:at|on|of)|up-to-date novels|"
            r"bookmark this (?:site|page|website))).{1,300}"
        ),
    ),
    Rule(
        "advertising",
        _any(
            "If you find any error|ken links"
        ),
        re.compile(r"(?i)[(\[]?\s*if you find any errors?\b.{0,200}\blet us know\b.{0,120}"),
    ),
    Rule(
        "site_notices",
        _any(
            "Downloaded from|Planet eBook|Planet PDF|This ebook was|This book was d|This file was d|"
            "More free e"
        ),
        re.compile(
            rf"{_TALE}(?=.*(?:\.\w|e-?book|pdf|\bsite\b))"
            r".{0,60}(?:(?:this )?(?:e-?book|book|file|novel|text)? ?(?:was |has been )?downloaded from|"
            r"free e-?books? (?:at|from|available)|more (?:free )?e-?books? (?:at|from)|planet e?book|"
            r"planet pdf).{0,120}"
        ),
    ),
    Rule(
        "licence",
        _any(
            "Scanned by|Scanned, |Scanned and|Proofed by|Proofread by|Converted by|Formatted by|"
            "Digitized by|OCR by|OCR'd by"
        ),
        re.compile(
            rf"{_TALE}[\[(]?(?:scann?ed|proof(?:ed|read)|ocr(?:['’]?e?d)?|converted|formatted|digiti[sz]ed)"
            r"(?:,? (?:&|and )?(?:proof(?:ed|read)|converted|formatted|edited|ocr['’]?d))* by [^\n]{1,80}"
        ),
    ),
    Rule(
        "licence",
        _any(
            "No part of this|All rights reserved|All Rights Reserved|ALL RIGHTS RESERVED"
        ),
        re.compile(
            r"(?i)(?:.{0,300}no part of this (?:publication|book|work|e-?book) may be reproduced.{0,600}|"
            r"(?:copyright|©|\(c\)).{0,120}all rights reserved\.?|all rights reserved\.?(?: published .{0,120})?)"
        ),
    ),
)  # fmt: skip

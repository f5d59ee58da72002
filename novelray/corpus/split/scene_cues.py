"""Words at the start of a paragraph that say that time or place has changed, in Chinese and English.

Only such as hardly ever begin a paragraph inside a scene: the story-teller's own (却说, 且说), a new day or year, and
"meanwhile". Dialogue begins with a quotation mark and so never matches.
"""

from __future__ import annotations

_COUNT = "[一二两兩三四五六七八九十百千数數几幾半多好若干0-9]"
_SPAN = (
    "(?:个多|個多|多|余|餘)?(?:个|個)?(?:年|载|載|月|旬|天|日|夜|周|週|星期|礼拜|禮拜|小时|小時|钟头|鐘頭|时辰|時辰)"
)
_HOURS = "清晨 黎明 拂[晓曉] 黄昏 黃昏 傍晚 入夜 深夜 午夜 半夜 夜半 午后 午後".replace(" ", "|")

STORY_TELLER = (
    "[却卻且][说說表]", "[话話][说說表]", "[话話]分[两兩][头頭]", "[单單][说說表]", "再[说說](?![了吧罢罷，])", "按下",
    "如今且[说說]", "[闲閒]言少[叙敘]", "[闲閒][话話]休[提题題]", "花[开開][两兩]朵", "表[过過]不提", "[这這]回[书書]",
)  # fmt: skip
TIME = (
    "次[日晨早](?!子)", "[翌隔]日", "翌晨", "隔天", "第[二三四五六七][天日](?!的)", "到?了?(?:次日|第二天|第二日)",
    f"又?(?:过|過)(?:了|去)?{_COUNT}{{1,4}}{_SPAN}", f"{_COUNT}{{1,4}}{_SPAN}(?:之|以|过|過)?[后後](?!的)",
    "不[一数數]日", "[转轉]眼(?:间|間|就|又|便|已|到)", "光[阴陰][似如]", "[当當是这這][晚夜](?!的)",
    "[这這那]一?[天日][，,]", "忽一日", "一日[，,]", f"(?:{_HOURS})[，,时時]", "一夜[无無][话話]",
    "[与與]此同[时時]", "同一[时時][间間刻]", "另一[边邊头頭]",
)  # fmt: skip

CHINESE_FIRST = (
    "却卻且话話单單再按如闲閒花表这這次翌隔第到了又过過一二两兩三四五六七八九十百千数數几幾半多好若干0-9不转轉光当當是那忽清黎拂黄黃"
    "傍入深午夜与與同另"
)
"""Every character that one of these words begins with."""

_NUMBER = (
    "(?:[Oo]ne|[Tt]wo|[Tt]hree|[Ff]our|[Ff]ive|[Ss]ix|[Ss]even|[Ee]ight|[Nn]ine|[Tt]en|[Tt]welve|[Aa] few|[Ss]everal|"
    "[Ss]ome|[Aa]n?|[Mm]any|[Hh]alf an)"
)
_LENGTH = "(?:minute|hour|day|night|week|fortnight|month|year|decade)s?"
_LONG = "(?:day|night|week|fortnight|month|year|decade)s?"
_PART = "(?:morning|day|evening|night|afternoon|week|month|year|spring|summer|autumn|fall|winter|dawn)"
_HOUR = "(?:dawn|daybreak|sunrise|noon|sunset|dusk|nightfall|midnight)"
_WEEKDAY = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_WHEN = "(?:Early |Late |On |By |In )?[Tt]he"

ENGLISH = (
    f"(?:{_WHEN} )?[Nn]ext {_PART}\\b", f"{_WHEN} (?:following|morrow|ensuing|succeeding) ?(?:{_PART})?\\b",
    f"The {_PART} after\\b", "Meanwhile\\b", "Meantime\\b", "In the mean ?(?:while|time)\\b",
    f"(?:About |Nearly |Almost |Some )?{_NUMBER} {_LENGTH} (?:later|afterwards?|after|passed|went by|had passed)\\b",
    f"After {_NUMBER} {_LENGTH}\\b", f"For {_NUMBER} {_LONG}\\b",
    "(?:It was (?:early |late )?)?[Tt]hat (?:same )?(?:morning|evening|night|afternoon)[, ]",
    f"(?:On |It was (?:on )?){_WEEKDAY}\\b", f"(?:Early|Late) (?:in the |on the |that |one ){_PART}",
    f"(?:One|Late one|Early one) {_PART}[, ]", f"(?:At|Towards?|By|Before|Just before|Shortly after) {_HOUR}[, ]",
)  # fmt: skip

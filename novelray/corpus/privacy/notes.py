"""Real persons in notes: what a translator, an editor or the author says inside a book in a voice of their own.

A note is known by its form: brackets or a paragraph that say whose note it is, a footnote, a line that says who wrote
or translated the book. Only there are names looked for, so a character who is called like the author keeps the name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from novelray.corpus.clean.script import convert
from novelray.corpus.privacy.people import given_first, pseudonym, single_names
from novelray.recipe.privacy import PrivacySection

_ZH_ROLES = (
    "作者|原著|原作者|著者|撰者|译者|譯者|翻译|翻譯|编者|編者|编辑|編輯|主编|主編|责任编辑|責任編輯|责编|責編|特约编辑|特約編輯"
    "|校对|校對|校订|校訂|校者|校注|录入|錄入|输入|輸入|整理|扫描|掃描|制作|製作|上传|上傳|插图|插圖|绘图|繪圖|插画|插畫"
    "|封面设计|封面設計|装帧设计|裝幀設計|策划|策劃|出版人|监制|監製|审校|審校|朗读|朗讀|作序|序者"
)
_ORIGIN = r"[\[(（〔【［][^\])）〕】］\n]{1,6}[\])）〕】］][ \u3000]?"
_ZH_NAME = (
    rf"(?:{_ORIGIN})?"
    r"(?:[\u3400-\u9fff]{1,6}(?:[·•‧．][\u3400-\u9fff]{1,8}){1,3}|[\u3400-\u9fff]{2,4})"
)
_ZH_STATED = re.compile(
    rf"(?:{_ZH_ROLES})[ \u3000]*[:：][ \u3000]*(?P<names>{_ZH_NAME}(?:[ \u3000]*[、，,/][ \u3000]*{_ZH_NAME})*|"
    r"[A-Z][A-Za-z.'’-]*(?: [A-Z][A-Za-z.'’-]*){0,3})"
)
_DID = "原著|主编|主編|编著|編著|编译|編譯|翻译|翻譯|校注|[著撰译譯编編校绘繪]"
_ZH_SIGNED = re.compile(rf"(?m)^[ \u3000]*(?P<names>{_ZH_NAME})[ \u3000]*(?:{_DID})[ \u3000]*$")
_EN_NAME = (
    r"[A-Z][A-Za-z'’-]*\.?(?: (?:[A-Z][A-Za-z'’-]*\.?|de|la|van|von|du|di)){0,4} (?:[A-Z][a-z'’-]+(?:[A-Z][a-z]+)?)"
    r"(?:,? (?:Jr|Sr|PhD|M\.D)\.?)?"
)
_EN_DID = (
    r"(?:[Pp]roduced|[Tt]ranslated|[Ee]dited|[Tt]ranscribed|[Ii]llustrated|[Pp]repared|[Ww]ritten|[Ss]canned|[Pp]roofread"
    r"|[Cc]ompiled|[Dd]igiti[sz]ed|[Rr]evised|[Ff]oreword|[Pp]reface|[Ii]ntroduction|[Nn]otes|[Cc]over (?:art|design)"
    r"|EDITED|TRANSLATED|ILLUSTRATED|PRODUCED)(?: and [a-z]+| for [A-Z][A-Za-z ]{0,30})?[ \n](?:by|BY)"
    r"|(?:[Aa]uthor|[Tt]ranslator|[Ee]ditor|[Ii]llustrator|[Pp]roducer|[Pp]ublisher|[Nn]arrator|[Cc]redits)s?:"
    r"|(?:©|\([Cc]\)|[Cc]opyright)(?: ©| \([Cc]\))? ?(?:\d{4})?,?(?: by)?"
)
_EN_STATED = re.compile(rf"(?:{_EN_DID})[ \n]+(?P<names>{_EN_NAME}(?:(?:, and|,| and| &)[ \n]{_EN_NAME})*)")

_WHOSE = (
    "[译譯][者后後]?[注註按记記]|编者?[注按]|編者?[註注按]|作者[注註按]|校[者记記]?[注註]|原[注註]|[译譯]者的[话話]|作者的[话話]"
    "|作者有[话話]要?[说說]|(?:Translator|Editor|Author|Publisher|Transcriber)[’']s [Nn]otes?|[TA]/N"
    "|(?:TRANSLATOR|EDITOR|AUTHOR|PUBLISHER|TRANSCRIBER)[’']S NOTES?"
)
_SIGNED_BY = "(?:——|—|--)[ ]?(?:[译譯編编校作]者?[注註按]?|Trans(?:lator)?|Ed(?:itor)?)"
_OPEN, _CLOSE = "（(［\\[【〔", "）)］\\]】〕"
_NOTES = (
    re.compile(rf"[{_OPEN}][ ]?(?:{_WHOSE})[^{_CLOSE}]{{0,2000}}[{_CLOSE}]"),
    re.compile(rf"[{_OPEN}][^{_OPEN}{_CLOSE}\n]{{1,500}}{_SIGNED_BY}\.?[{_CLOSE}]"),
    re.compile(rf"(?m)^[ \t\u3000]*(?:(?:{_WHOSE})|[①-⑳]|\[\d{{1,3}}\]|[注註]\d{{0,3}}[:：]).*$"),
    re.compile(rf"(?m)^[ \t\u3000]*(?:{_ZH_ROLES})[ \u3000]*[:：].{{1,60}}$"),
    re.compile(rf"(?m)^[ \t]*(?:{_EN_DID}|[Bb]y|BY)[ \n].{{1,100}}$"),
    _ZH_SIGNED,
)
_ALONE = r"(?m)^[ \t\u3000\ue0001-6]*(?:{names})[ \t\u3000]*$"


def protect_notes(text: str, people: Iterable[str], section: PrivacySection, key: int) -> tuple[str, Counter[str]]:
    """A book's text with the names of real persons in its notes as `section.people` says, and the count `people`.

    Names are those of the metadata (`people_of`) and those that the notes state by a role: 译者：…, Translated by ….
    `mask` gives each its `pseudonym`; `drop` takes out the lines of the note, or the bracket, that have a name.
    """
    if section.people == "keep":
        return text, Counter()
    known = set(people)
    spans = _merged([*_spans(text, _NOTES), *_spans(text, _alone(known))])
    names = sorted(known.union(*(_stated(text[a:b]) for a, b in spans)), key=lambda name: (-len(name), name))
    pattern = _any_of(names)
    if pattern is None:
        return text, Counter()
    whole = {form: name for name in names for form in _forms(name)}
    found = sum(len(pattern.findall(text, a, b)) for a, b in spans)

    def masked(note: str) -> str:
        return pattern.sub(lambda m: pseudonym(given_first(whole[m.group()]), key), note)

    def dropped(note: str) -> str:
        lines = note.splitlines(keepends=True) if note[:1] not in _OPEN else [note]
        return "".join(line for line in lines if not pattern.search(line))

    return _edited(text, spans, masked if section.people == "mask" else dropped), +Counter(people=found)


def _spans(text: str, patterns: Iterable[re.Pattern[str]]) -> Iterator[tuple[int, int]]:
    return (m.span() for pattern in patterns for m in pattern.finditer(text))


def _alone(people: set[str]) -> tuple[re.Pattern[str], ...]:
    """Lines with nothing but a person's name, as below a story's title."""
    forms = [re.escape(form) for name in sorted(people) for form in (name, given_first(name))]
    return (re.compile(_ALONE.replace("{names}", "|".join(forms))),) if forms else ()


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, and what overlaps together."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _edited(text: str, spans: list[tuple[int, int]], edit: Callable[[str], str]) -> str:
    parts: list[str] = []
    done = 0
    for start, end in spans:
        parts += [text[done:start], edit(text[start:end])]
        done = end
    return "".join([*parts, text[done:]])


def _stated(note: str) -> set[str]:
    found = (m["names"] for pattern in (_ZH_STATED, _ZH_SIGNED, _EN_STATED) for m in pattern.finditer(note))
    return {name for names in found for name in single_names(names.replace("\n", " "))}


def _forms(name: str) -> list[str]:
    """How a person is called: the whole name, in either script and order, and the last name of a Western one."""
    full = given_first(name)
    words = full.split(" ")
    last = words[-1].strip(".")
    forms = [name, full, *(convert(full, script, set(full))[0] for script in ("simplified", "traditional"))]
    if len(words) > 1 and full.isascii() and len(last) >= 4 and last[0].isupper():
        forms += [f"{last}, {' '.join(words[:-1])}", last]
    return forms


def _any_of(names: list[str]) -> re.Pattern[str] | None:
    forms = sorted({form for name in names for form in _forms(name)}, key=lambda form: (-len(form), form))
    if not forms:
        return None
    guarded = (rf"(?<![A-Za-z]){re.escape(f)}(?![A-Za-z])" if f[0].isascii() else re.escape(f) for f in forms)
    return re.compile("|".join(guarded))

"""Real persons in metadata and in notes: authors, translators, editors. A name gets the same pseudonym in every book.

Pseudonyms are a keyed hash of the name: without the key nobody can check a guess, and with it all tasks agree without
talking to each other. Only metadata and notes are looked at, so that a novel's characters keep their names.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from novelray.recipe.privacy import PrivacySection

if TYPE_CHECKING:
    from novelray.corpus.read import BookMeta

_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_HANZI = re.compile(r"[\u3400-\u9fff]")
_FIELDS = ("author", "translator", "editor")

# (清) 曹雪芹, 〔美〕海明威, [英]狄更斯 著: where a person is from and what the person did are no part of the name.
_ORIGIN = re.compile(r"\A\s*[\[(（〔【［][^\])）〕】］]{1,6}[\])）〕】］]\s*")
_DID = re.compile(r"\s*(?:等|主编|主編|编著|編著|编译|編譯|原著|[著撰译譯编編校注绘繪])+\s*\Z")
_BETWEEN = re.compile(r"\s*(?:[,，、;；/&＆|]|\band\b|\bwith\b| and the | 和 | 与 )\s*")
_NOBODY = frozenset(
    ["佚名", "无名氏", "無名氏", "匿名", "不详", "不詳", "未知", "网络", "網絡", "anonymous", "unknown", "various", "anon", "n/a", "none", "author", "volunteers"]
    + ["various authors", "the online distributed proofreading team", "project gutenberg", "distributed proofreaders"]
)

_ZH_ROLES = (
    "作者|原著|原作者|著者|撰者|译者|譯者|翻译|翻譯|编者|編者|编辑|編輯|主编|主編|责任编辑|責任編輯|责编|責編|特约编辑|特約編輯|校对|校對|"
    "校订|校訂|校者|校注|录入|錄入|输入|輸入|整理|扫描|掃描|制作|製作|上传|上傳|插图|插圖|绘图|繪圖|插画|插畫|封面设计|封面設計|装帧设计|裝幀設計|"
    "策划|策劃|出版人|监制|監製|审校|審校|朗读|朗讀|作序|序者"
)
_ZH_NAME = r"(?:[\[(（〔【［][^\])）〕】］\n]{1,6}[\])）〕】］][ \u3000]?)?(?:[\u3400-\u9fff]{1,6}(?:[·•‧．][\u3400-\u9fff]{1,8}){1,3}|[\u3400-\u9fff]{2,4})"
_ZH_STATED = re.compile(
    rf"(?:{_ZH_ROLES})[ \u3000]*[:：][ \u3000]*(?P<names>{_ZH_NAME}(?:[ \u3000]*[、，,/][ \u3000]*{_ZH_NAME})*|"
    r"[A-Z][A-Za-z.'’-]*(?: [A-Z][A-Za-z.'’-]*){0,3})"
)
_ZH_SIGNED = re.compile(
    rf"(?m)^[ \u3000]*(?P<names>{_ZH_NAME})[ \u3000]*(?:原著|主编|主編|编著|編著|编译|編譯|翻译|翻譯|校注|[著撰译譯编編校绘繪])[ \u3000]*$"
)
_EN_NAME = (
    r"[A-Z][A-Za-z'’-]*\.?(?: (?:[A-Z][A-Za-z'’-]*\.?|de|la|van|von|du|di)){0,4} (?:[A-Z][a-z'’-]+(?:[A-Z][a-z]+)?)"
    r"(?:,? (?:Jr|Sr|PhD|M\.D)\.?)?"
)
_EN_STATED = re.compile(
    r"(?:(?:[Pp]roduced|[Tt]ranslated|[Ee]dited|[Tt]ranscribed|[Ii]llustrated|[Pp]repared|[Ww]ritten|[Ss]canned|[Pp]roofread|[Cc]ompiled|"
    r"[Dd]igiti[sz]ed|[Rr]evised|[Ff]oreword|[Pp]reface|[Ii]ntroduction|[Nn]otes|[Cc]over (?:art|design)|EDITED|TRANSLATED|ILLUSTRATED|PRODUCED)"
    r"(?: and [a-z]+| for [A-Z][A-Za-z ]{0,30})?[ \n](?:by|BY)"
    r"|(?:[Aa]uthor|[Tt]ranslator|[Ee]ditor|[Ii]llustrator|[Pp]roducer|[Pp]ublisher|[Nn]arrator|[Cc]redits)s?:"
    r"|(?:©|\([Cc]\)|[Cc]opyright)(?: ©| \([Cc]\))? ?(?:\d{4})?,?(?: by)?|\A[Bb]y|\n[Bb]y|\n *BY)"
    rf"[ \n]+(?P<names>{_EN_NAME}(?:(?:, and|,| and| &)[ \n]{_EN_NAME})*)"
)


def pseudonym(name: str, key: int) -> str:
    """The pseudonym of a person, for example `化名甲子3f9a2c` or `Person-3f9a2c41`; the same for 魯迅 and 鲁迅."""
    digest = hashlib.blake2b(_canonical(name).encode(), key=str(key).encode()[:64], digest_size=8).digest()
    if not _HANZI.search(name):
        return f"Person-{digest.hex()[:8]}"
    cycle = int.from_bytes(digest[:2], "big") % 60
    return f"化名{_STEMS[cycle % 10]}{_BRANCHES[cycle % 12]}{digest.hex()[4:10]}"


def _canonical(name: str) -> str:
    """One form of a name: without width, case, blanks and dots, and in simplified characters."""
    plain = "".join(c for c in unicodedata.normalize("NFKC", name).casefold() if c.isalnum())
    if not _HANZI.search(plain):
        return plain
    import opencc

    return str(opencc.OpenCC("t2s").convert(plain))


def people_of(meta: BookMeta) -> tuple[str, ...]:
    """The names of the real persons in a book's metadata, each once."""
    return tuple(dict.fromkeys(name for field in _FIELDS for name in _names(getattr(meta, field))))


def _names(text: str) -> list[str]:
    """The single names of a field or of a stated list, without where they are from and what they did."""
    whole = _ORIGIN.sub("", text).strip()
    if re.fullmatch(r"[A-Z][A-Za-z'’-]+, [A-Z][^,;&/]*", whole) and " " not in whole.split(", ")[0]:
        return [whole]  # Austen, Jane
    parts = (_DID.sub("", _ORIGIN.sub("", part)).strip() for part in _BETWEEN.split(whole))
    return [part for part in parts if len(part) > 1 and part.casefold() not in _NOBODY]


def protect_meta(meta: BookMeta, section: PrivacySection, key: int) -> BookMeta:
    """The metadata with its persons' names as `section.people` says."""
    if section.people == "keep":
        return meta
    author, translator, editor = (_protected(getattr(meta, field), section, key) for field in _FIELDS)
    return replace(meta, author=author, translator=translator, editor=editor)


def _protected(text: str, section: PrivacySection, key: int) -> str:
    names = _names(text)
    if not names:
        return text
    if section.people == "drop":
        return ""
    separator = "、" if _HANZI.search(text) else ", "
    return separator.join(pseudonym(_given_first(name), key) for name in names)


def _given_first(name: str) -> str:
    """Austen, Jane is Jane Austen."""
    last, comma, first = name.partition(", ")
    return f"{first} {last}" if comma else name


def protect_notes(text: str, people: Iterable[str], section: PrivacySection, key: int) -> tuple[str, Counter[str]]:
    """A preface, colophon or note with the names of real persons as `section.people` says, and the count `people`.

    Names are those of the metadata (`people_of`) and those that the notes state by a role: 译者：…, Translated by ….
    """
    names = sorted({*people, *_stated(text)}, key=lambda name: (-len(name), name))
    pattern = _any_of(names)
    if pattern is None:
        return text, Counter()
    whole = {form: name for name in names for form in _forms(name)}
    count = len(pattern.findall(text))
    counts = Counter({"people": count} if count else {})
    if section.people == "mask":
        return pattern.sub(lambda m: pseudonym(_given_first(whole[m.group()]), key), text), counts
    if section.people == "drop":
        return "".join(line for line in text.splitlines(keepends=True) if not pattern.search(line)), counts
    return text, counts


def _stated(text: str) -> set[str]:
    found = (m["names"] for pattern in (_ZH_STATED, _ZH_SIGNED, _EN_STATED) for m in pattern.finditer(text))
    return {name for names in found for name in _names(names.replace("\n", " "))}


def _forms(name: str) -> list[str]:
    """How a person is called: the whole name, the other order, and the last name of a Western one."""
    full = _given_first(name)
    words = full.split(" ")
    last = words[-1].strip(".")
    forms = [name, full]
    if len(words) > 1 and full.isascii() and len(last) >= 4 and last[0].isupper():
        forms += [f"{last}, {' '.join(words[:-1])}", last]
    return forms


def _any_of(names: list[str]) -> re.Pattern[str] | None:
    forms = sorted({form for name in names for form in _forms(name)}, key=lambda form: (-len(form), form))
    if not forms:
        return None
    guarded = (rf"(?<![A-Za-z]){re.escape(f)}(?![A-Za-z])" if f[0].isascii() else re.escape(f) for f in forms)
    return re.compile("|".join(guarded))

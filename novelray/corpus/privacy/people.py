"""Real persons in metadata: authors, translators, editors. A name gets the same pseudonym in every book.

Pseudonyms are a keyed hash of the name, so that all tasks agree without talking to each other. The key is the recipe's
seed: a pseudonym takes a name out of sight, but who has the recipe and a list of names can find which one it was.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from novelray.corpus.clean.script import converter
from novelray.recipe.privacy import PrivacySection

if TYPE_CHECKING:
    from novelray.corpus.read import BookMeta

_STEMS, _BRANCHES = "甲乙丙丁戊己庚辛壬癸", "子丑寅卯辰巳午未申酉戌亥"
_HANZI = re.compile(r"[\u3400-\u9fff]")
_PSEUDONYM = re.compile(f"化名[{_STEMS}][{_BRANCHES}]")
_FIELDS = ("author", "translator", "editor")

# (清) 曹雪芹, 〔美〕海明威, [英]狄更斯 著: where a person is from and what the person did are no part of the name.
_ORIGIN = re.compile(r"\A\s*[\[(（〔【［][^\])）〕】］]{1,6}[\])）〕】］]\s*")
_DID = re.compile(r"\s*(?:等|主编|主編|编著|編著|编译|編譯|原著|[著撰译譯编編校注绘繪])+\s*\Z")
_BETWEEN = re.compile(r"\s*(?:[,，、;；/&＆|]|\band\b|\bwith\b| and the | 和 | 与 )\s*")
_NOBODY_ZH = "佚名 无名氏 無名氏 匿名 不详 不詳 未知 网络 網絡"
_NOBODY_EN = """
anonymous, anon, unknown, various, various authors, none, n/a, author, volunteers, project gutenberg,
distributed proofreaders, the online distributed proofreading team
"""
_NOBODY = frozenset((*_NOBODY_ZH.split(), *(name.strip() for name in _NOBODY_EN.split(","))))


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
    return str(converter("simplified").convert(plain)) if _HANZI.search(plain) else plain


def people_of(meta: BookMeta) -> tuple[str, ...]:
    """The names of the real persons in a book's metadata, each once."""
    return tuple(dict.fromkeys(name for field in _FIELDS for name in single_names(getattr(meta, field))))


def single_names(text: str) -> list[str]:
    """The single names of a field or of a stated list, without where they are from and what they did."""
    whole = _ORIGIN.sub("", text).strip()
    if re.fullmatch(r"[A-Z][A-Za-z'’-]+, [A-Z][^,;&/]*", whole) and " " not in whole.split(", ")[0]:
        return [whole]  # Austen, Jane
    parts = (_ORIGIN.sub("", part).strip() for part in _BETWEEN.split(whole))
    names = (did if len(did := _DID.sub("", part)) > 1 else part for part in parts)  # 张译 did not translate
    persons = (name for name in names if len(name) > 1 and name.casefold() not in _NOBODY)
    return [name for name in persons if not _PSEUDONYM.match(name)]  # masked text is not masked again


def protect_meta(meta: BookMeta, section: PrivacySection, key: int) -> BookMeta:
    """The metadata with its persons' names as `section.people` says, in the title too (The Works of …)."""
    if section.people == "keep":
        return meta
    author, translator, editor = (_protected(getattr(meta, field), section, key) for field in _FIELDS)
    title = meta.title
    for name in sorted(people_of(meta), key=len, reverse=True):
        for form in (name, given_first(name)):
            title = title.replace(form, pseudonym(given_first(name), key) if section.people == "mask" else "")
    return replace(meta, title=title.strip(), author=author, translator=translator, editor=editor)


def _protected(text: str, section: PrivacySection, key: int) -> str:
    names = single_names(text)
    if not names:
        return text
    if section.people == "drop":
        return ""
    separator = "、" if _HANZI.search(text) else ", "
    return separator.join(pseudonym(given_first(name), key) for name in names)


def given_first(name: str) -> str:
    """Austen, Jane is Jane Austen."""
    last, comma, first = name.partition(", ")
    return f"{first} {last}" if comma else name

"""What is known of a book: from the recipe, a side file or the book itself, and which of them counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

LONGEST = 300  # characters of a value that can still be a title or a name
KEYS: dict[str, tuple[str, ...]] = {
    "title": ("title", "book_title", "booktitle", "book_name", "name", "书名", "書名", "标题", "標題"),
    "author": ("author", "authors", "creator", "writer", "作者", "著者"),
    "genre": ("genre", "genres", "category", "subject", "类型", "類型", "体裁", "體裁", "分类", "分類"),
    "curated": ("curated", "is_curated", "人工精选", "精选", "精選"),
    "language": ("language", "lang", "语言", "語言"),
    "translator": ("translator", "译者", "譯者", "翻译", "翻譯"),
    "editor": ("editor", "编者", "編者", "编辑", "編輯"),
}
"""Names under which side files, front matter and records give each field, whatever the case; the first one counts."""

_TRUE = frozenset(("true", "yes", "y", "1", "是", "真"))
_FALSE = frozenset(("false", "no", "n", "0", "否", "假"))
_STEM_TITLE = re.compile(r"《([^《》]{1,100})》")
_STEM_AUTHOR = re.compile(r"作者[:：]?[ \u3000]*([^\s（(【\[《_,，]{1,40})")


@dataclass(frozen=True)
class BookMeta:
    """Title, author, genre and so on; an empty field is not known. `curated`: people chose and checked the text."""

    title: str = ""
    author: str = ""
    genre: str = ""
    curated: bool | None = None
    language: str = ""
    translator: str = ""
    editor: str = ""

    def over(self, other: BookMeta) -> BookMeta:
        """These fields, and `other`'s where one is not known here."""
        mine, theirs = asdict(self), asdict(other)
        return BookMeta(**{k: theirs[k] if mine[k] in ("", None) else mine[k] for k in mine})


def meta_of(record: Mapping[Any, Any]) -> BookMeta:
    """The fields of a record, under any of their usual names; values that are no plain text are left out."""
    lowered = {str(k).strip().lower(): v for k, v in record.items()}
    found: dict[str, Any] = {}
    for field, names in KEYS.items():
        value = next((lowered[n] for n in names if lowered.get(n) not in (None, "", [])), None)
        found[field] = _flag(value) if field == "curated" else _text(value)
    return BookMeta(**found)


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(t for v in value[:20] if not isinstance(v, list | tuple) and (t := _text(v)))[:LONGEST]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split())[:LONGEST]


def _flag(value: Any) -> bool | None:
    if isinstance(value, bool) or value is None:
        return value
    word = str(value).strip().lower()
    return True if word in _TRUE else False if word in _FALSE else None


def meta_of_name(stem: str) -> BookMeta:
    """What a file's name says: `《书名》作者：某人` names both; any other name is the title."""
    title, author = _STEM_TITLE.search(stem), _STEM_AUTHOR.search(stem)
    if title is None:
        return BookMeta(title=stem)
    return BookMeta(title=title[1], author=author[1] if author else "")

"""What the sections share: how an empty one says why, blocks with a heading, and how a gate's numbers look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag, text
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

TITLE = 60  # characters of a title that are shown


class Nothing(str):
    """Why a section has nothing to show."""


def block(heading: str, *children: Any, intro: str = "", class_: str = "block") -> Html:
    """A part of a section with its own heading."""
    return tag("div", tag("h3", heading), tag("p", intro, class_="intro") if intro else None, *children, class_=class_)


def grid(*children: Any) -> Html:
    """Blocks side by side where there is room."""
    return tag("div", *children, class_="columns")


def title_of(book: Mapping[str, Any]) -> str:
    """A book's title; its name where it has none."""
    return clip(book.get("title") or book.get("book") or "?", TITLE)


def titles(report: Mapping[str, Any]) -> dict[str, str]:
    """Titles by the books' names; where several books have one title, each with its name."""
    named = {str(book.get("book")): title_of(book) for book in rows(report.get("books"))}
    often = Counter(named.values())
    return {
        name: title if often[title] == 1 or title == name else f"{title} · {clip(name, TITLE)}"
        for name, title in named.items()
    }


def label_of(book: Mapping[str, Any], known: Mapping[str, str]) -> str:
    """What a book is called where it stands among others."""
    return known.get(str(book.get("book"))) or title_of(book)


def is_replaced(book: Mapping[str, Any]) -> bool:
    """Whether all chapters of a book gave way to other books'."""
    chapters = number(book.get("chapters"))
    return bool(chapters) and chapters == number(book.get("duplicates"))


def chapter_name(chapter_id: Any) -> str:
    """A chapter's id, shortened."""
    book, _, index = str(chapter_id or "?").rpartition(":")
    return f"{book[:8]}:{index}" if book else clip(index, 24)


def explanation(row: Mapping[str, Any], key: str, w: Words) -> Html:
    """The explanation in the page's language where there is one, else the one that is there."""
    found = row.get(f"{key}_zh") if w.language == "zh" else None
    return text(clip(found, 600)) if found else told(row.get(key), w)


def status(passed: Any, w: Words) -> Html:
    """Passed, failed or not measured, as a sign and a word."""
    if passed is True:
        return tag("span", "✓ ", w("达标", "passed"), class_="badge pass")
    if passed is False:
        return tag("span", "✗ ", w("未达标", "not reached"), class_="badge fail")
    return tag("span", "– ", w("未测量", "not measured"), class_="badge none")


def guide_badge(w: Words) -> Html:
    """Says that a figure is the guide's claim."""
    hint = w("出自业内指南，并非我们的测量", "from the field's guide; not measured by us")
    return tag("abbr", w("指南的说法", "the guide's claim"), title=hint, class_="badge guide")


def objective_name(report: Mapping[str, Any], w: Words) -> str:
    """The objective's name, or nothing."""
    key = mapping(report.get("objective")).get("name")
    return w.name(names.OBJECTIVES, key) if key else ""


def total(table: Any) -> float:
    """The sum of a table's numbers."""
    return sum(number(value) or 0 for value in mapping(table).values())


def paragraph(*children: Any, class_: str | None = None) -> Html:
    """A paragraph of texts and elements."""
    return tag("p", join(children), class_=class_)

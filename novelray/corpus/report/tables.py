"""Tables that scroll inside their box, and the note that says when only a part is shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from novelray.corpus.report.html import Html, tag
from novelray.corpus.report.words import Words

_HANZI = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True)
class Column:
    """A column's heading; `numeric` ones are set to the right, `hint` explains the heading."""

    heading: str
    numeric: bool = False
    hint: str = ""
    wide: bool = False


def table(columns: Sequence[Column], lines: Iterable[Sequence[Any]], caption: str) -> Html:
    """A table; the first cell of each line is its heading."""
    head = [
        tag("th", c.heading, scope="col", class_="num" if c.numeric else None, title=c.hint or None) for c in columns
    ]
    body = [tag("tr", *(_cell(c, cell, i == 0) for i, (c, cell) in enumerate(zip(columns, line, strict=True))))
            for line in lines]  # fmt: skip
    inside = tag("table", tag("caption", caption), tag("thead", tag("tr", *head)), tag("tbody", *body))
    return tag("div", inside, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(column: Column, cell: Any, first: bool) -> Html:
    classes = " ".join(c for c in ("num" if column.numeric else "", "wide" if column.wide else "") if c)
    return tag("th" if first else "td", cell, scope="row" if first else None, class_=classes or None)


def cut(w: Words, shown: int, total: int) -> Html | None:
    """A note where a table shows only a part."""
    if shown >= total:
        return None
    return tag(
        "p",
        w(
            f"这里只列出 {total:,} 条中的 {shown:,} 条，完整清单见 report.json。",
            f"{shown:,} of {total:,} are shown; report.json has them all.",
        ),
        class_="note",
    )


def quote(excerpt: Any, lang: Any = None) -> Html:
    """A passage of a book, marked with its language: `lang`, or Chinese where it has Hanzi."""
    language = str(lang or ("zh" if _HANZI.search(str(excerpt)) else "en"))
    return tag("blockquote", excerpt, lang=language)


def badge(label: Any, class_: str = "") -> Html:
    """A short word in a frame."""
    return tag("span", label, class_=f"badge {class_}".strip())

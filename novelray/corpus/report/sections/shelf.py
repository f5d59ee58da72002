"""The shelf: every book with what was found in it, those that deserve a look first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.charts import strip
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag
from novelray.corpus.report.look import LEAST_CONFIDENCE
from novelray.corpus.report.measured import arc_score
from novelray.corpus.report.sections.common import (
    Nothing,
    block,
    is_replaced,
    label_of,
    paragraph,
    title_of,
    titles,
)
from novelray.corpus.report.tables import Column, badge, cut, table
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

SHOWN, LOOKED = 200, 40


def shelf(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """The books that deserve a look with the reasons, then the table of books."""
    books = rows(report.get("books"))
    if not books:
        return Nothing(w("没有读入任何一本书。", "No book was read."))
    return join([_looks(books, w), _table(books, w)])


def _looks(books: list[Mapping[str, Any]], w: Words) -> Html:
    found = [book for book in books if rows(book.get("look"))]
    heading = w(f"值得一看的书：{len(found):,} 本", f"Books that deserve a look: {len(found):,}")
    if not found:
        return block(heading, paragraph(w("没有发现可疑之处。", "Nothing looks suspicious."), class_="note"))
    known = titles({"books": books})
    items = (tag("li", tag("b", label_of(book, known)), " ", *_reasons(book, w)) for book in found[:LOOKED])
    return block(heading, tag("ul", *items, class_="looks"), cut(w, min(len(found), LOOKED), len(found)))


def _reasons(book: Mapping[str, Any], w: Words) -> list[Html]:
    return [tag("span", look_text(reason, w), class_="badge look") for reason in rows(book.get("look"))]


def look_text(reason: Mapping[str, Any], w: Words) -> str:
    """Why a book deserves a look, in words."""
    code, value = str(reason.get("code", "?")), reason.get("value")
    if code in names.LOOK:
        shown = w.share(value) if code == "low_kept" else w.count(value) if isinstance(value, int) else w.score(value)
        return w.name(names.LOOK, code).format(shown)
    own = reason.get("zh") if w.language == "zh" else None
    return clip(own or reason.get("text") or code, 160)


def _table(books: list[Mapping[str, Any]], w: Words) -> Html:
    ordered = sorted(books, key=lambda b: not rows(b.get("look"))) if len(books) > SHOWN else books
    columns = [
        Column(w("书", "Book")),
        Column(w("题材", "Genre")),
        Column(w("语言 · 格式", "Language · format")),
        Column(w("章", "Chapters"), numeric=True),
        Column(w("卷", "Volumes"), numeric=True),
        Column(w("场景", "Scenes"), numeric=True),
        Column(w("字符", "Characters"), numeric=True, hint=w("文件中的字符数", "characters in the file")),
        Column(w("保留", "Kept"), numeric=True, hint=w("保留字符的比例，未计去重", "share kept, before duplicates")),
        Column(w("重复章", "Duplicates"), numeric=True),
        Column(w("分章规则 · 把握", "Chapter rule · confidence")),
        Column(w("书中编号问题", "The book's own numbering")),
        Column(w("故事弧", "Arc"), numeric=True, hint=w("故事弧完整度，0 到 1", "story arc, 0 to 1")),
        Column(w("文风距离", "Style"), numeric=True, hint=w("与全书平均的 TF-IDF 距离", "TF-IDF distance to the book")),
        Column(w("视角", "Perspective")),
        Column(w("为何一看", "Look, because"), wide=True),
    ]
    lines = (_line(book, w) for book in ordered[:SHOWN])
    shown = table(columns, lines, w("书架上的书", "The books on the shelf"))
    return block(w("全部书目", "All books"), shown, cut(w, min(len(books), SHOWN), len(books)))


def _line(book: Mapping[str, Any], w: Words) -> list[Any]:
    arc = arc_score(book)
    return [
        _book(book, w),
        _genre(book, w),
        join([_languages(book, w), tag("small", _format(book))]),
        w.count(book.get("chapters")),
        w.count(book.get("volumes") or None),
        w.count(book.get("scenes")),
        w.count(book.get("chars")),
        _kept(book, w),
        w.count(book.get("duplicates") or None),
        _rule(book, w),
        _numbering(book, w),
        w.score(arc),
        w.share(book.get("style_distance")),
        w.name(names.PERSPECTIVES, book["perspective"]) if book.get("perspective") else "–",
        join([*_reasons(book, w), badge(w("由别的版本代替", "another edition is kept")) if is_replaced(book) else None])
        or "–",
    ]


def _book(book: Mapping[str, Any], w: Words) -> Html:
    writer = [str(book[key]) for key in ("author",) if book.get(key)]
    if book.get("translator"):
        writer.append(w(f"{book['translator']} 译", f"translated by {book['translator']}"))
    origin = "/".join(str(v) for v in (book.get("file"), book.get("member")) if v)
    return join([
        tag("span", title_of(book), class_="title"),
        tag("small", clip(w.listed(writer), 80)) if writer else None,
        tag("small", clip(origin, 80), class_="file") if origin else None,
    ])  # fmt: skip


def _kept(book: Mapping[str, Any], w: Words) -> Html | str:
    chars, kept = number(book.get("chars")), number(book.get("kept_chars"))
    if not chars or kept is None:
        return "–"
    shown = w.share(kept / chars)
    return join([shown, strip(kept / chars, shown)])


def _rule(book: Mapping[str, Any], w: Words) -> Html | str:
    confidence = number(book.get("confidence"))
    rule = rule_name(book.get("rule"), w)
    if confidence is None or book.get("rule") in (None, "none"):
        return rule
    low = confidence < LEAST_CONFIDENCE
    return join([rule, " · ", tag("span", w.score(confidence), class_="low" if low else None)])


def rule_name(rule: Any, w: Words) -> str:
    """A rule of splitting in words: its family, and whether its headings stand in lines of their own."""
    family, _, place = str(rule or "none").partition(" (")
    where = {"line)": w("独立成行", "own lines"), "inline)": w("行内", "inside lines")}.get(place, "")
    named = names.RULES.get(family) or names.RULES.get(family.partition(" ")[0])
    name = w(*named) if named else f"第…{family}" if len(family) == 1 else clip(family, 40)
    return w(f"{name}（{where}）", f"{name} ({where})") if where else name


def _numbering(book: Mapping[str, Any], w: Words) -> Html | str:
    errors = book.get("numbering")
    if not isinstance(errors, list | tuple) or not errors:
        return "–"
    more = [f"… + {len(errors) - 8:,}"] if len(errors) > 8 else []
    items = [tag("li", told(error, w, 160)) for error in [*errors[:8], *more]]
    return tag("details", tag("summary", w.count(len(errors), "处", "place")), tag("ul", *items))


def _languages(book: Mapping[str, Any], w: Words) -> str:
    if book.get("language"):
        return w.name(names.LANGUAGES, book["language"])
    counts = mapping(book.get("languages"))
    return w.listed([w.name(names.LANGUAGES, key) for key in counts]) or "–"


def _format(book: Mapping[str, Any]) -> str:
    name, dot, suffix = str(book.get("file", "")).rpartition(".")
    kind = book.get("format") or (suffix if name and dot else "")
    return clip(" · ".join(str(v) for v in (kind, book.get("encoding")) if v), 40)


def _genre(book: Mapping[str, Any], w: Words) -> str:
    if not book.get("genre"):
        return "–"
    return clip(w.name(names.GENRES, book["genre"]), 24) + (
        w("（推测）", " (guess)") if book.get("genre_guessed") else ""
    )

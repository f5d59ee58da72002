"""Duplicates: which books are the same and which was kept, and the pairs of chapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import Nothing, block, chapter_name, explanation, paragraph, titles
from novelray.corpus.report.tables import Column, cut, table
from novelray.corpus.report.words import Words

BOOKS, CHAPTERS = 60, 40


def duplicates(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Relations between books, then the most telling pairs of chapters."""
    found = mapping(report.get("duplicates"))
    books, chapters, files = (rows(found.get(key)) for key in ("books", "chapters", "files"))
    if not (books or chapters or files):
        return Nothing(w("没有发现重复。", "No duplicates were found."))
    return join(
        [_summary(found, chapters, w), _files(files, w), _books(books, report, w), _chapters(chapters, report, w)]
    )


def _summary(found: Mapping[str, Any], chapters: list[Mapping[str, Any]], w: Words) -> Html:
    parts = [w(f"删去 {len(chapters):,} 个重复章节", f"{w.count(len(chapters), en='duplicate chapter')} removed")]
    if number(found.get("share")) is not None:
        parts.append(w(f"占全部章节的 {w.share(found['share'])}", f"{w.share(found['share'])} of all chapters"))
    if number(found.get("max_share")) is not None:
        parts.append(
            w(f"超过 {w.share(found['max_share'])} 会停止", f"more than {w.share(found['max_share'])} would stop")
        )
    if number(found.get("threshold")) is not None:
        parts.append(w(f"相似度门槛 {w.score(found['threshold'])}", f"threshold {w.score(found['threshold'])}"))
    return paragraph(w("，", "; ").join(parts) + w("。", "."), class_="intro")


def _files(files: list[Mapping[str, Any]], w: Words) -> Html | None:
    if not files:
        return None
    columns = [Column(w("没有读的文件", "File not read")), Column(w("内容相同的文件", "The file with the same bytes"))]
    lines = ([clip(f.get("removed"), 160), clip(f.get("kept"), 160)] for f in files[:BOOKS])
    heading = w("逐字节相同的文件", "Files that are the same byte for byte")
    return block(heading, table(columns, lines, heading), cut(w, min(len(files), BOOKS), len(files)))


def _books(books: list[Mapping[str, Any]], report: Mapping[str, Any], w: Words) -> Html | None:
    if not books:
        return None
    known = titles(report)
    columns = [
        Column(w("保留", "Kept")), Column(w("让位", "Gave way")), Column(w("关系", "Relation")),
        Column(w("删去的章", "Chapters removed"), numeric=True),
        Column(w("内容占比", "Of its text"), numeric=True, hint=w("让位一方的文字有多少见于保留的一方",
                                                             "how much of the other's text is in the kept book")),
        Column(w("为何保留这一本", "Why this one is kept"), wide=True),
    ]  # fmt: skip
    ordered = sorted(books, key=lambda b: -(number(b.get("removed")) or 0))
    lines = (
        [_book(b.get("kept"), known), _book(b.get("other"), known), w.name(names.RELATIONS, b.get("relation", "?")),
         w.count(b.get("removed")), w.share(b.get("share")), explanation(b, "why", w) or "–"]
        for b in ordered[:BOOKS]
    )  # fmt: skip
    heading = w("书与书的关系", "Books that are related")
    return block(heading, table(columns, lines, heading), cut(w, min(len(books), BOOKS), len(books)))


def _book(book: Any, known: Mapping[str, str]) -> Html:
    shown = known.get(str(book), str(book))
    return tag("span", clip(shown, 140))


def _chapters(chapters: list[Mapping[str, Any]], report: Mapping[str, Any], w: Words) -> Html | None:
    if not chapters:
        return None
    known = titles(report)
    columns = [
        Column(w("删去的章", "Removed chapter")), Column(w("保留的章", "Kept chapter")), Column(w("种类", "Kind")),
        Column(w("相似度", "Similarity"), numeric=True),
    ]  # fmt: skip
    # The least similar pairs first: if a decision was wrong, it is one of these.
    ordered = sorted(chapters, key=lambda c: number(c.get("similarity")) or 1.0)
    lines = (
        [_chapter(c, "removed", known), _chapter(c, "kept", known),
         w.name(names.PAIR_KINDS, c.get("kind") or "exact"), w.score(c.get("similarity", 1.0))]
        for c in ordered[:CHAPTERS]
    )  # fmt: skip
    heading = w("重复的章节，最不相似的在前", "Duplicate chapters, the least similar first")
    intro = w("如果去重有误，多半就在最前面几行。", "If a removal was wrong, it is most likely among the first lines.")
    note = cut(w, min(len(chapters), CHAPTERS), len(chapters))
    return block(heading, table(columns, lines, heading), note, intro=intro)


def _chapter(pair: Mapping[str, Any], side: str, known: Mapping[str, str]) -> Html:
    book = pair.get("book" if side == "removed" else "kept_book")
    shown = " · ".join(str(v) for v in (known.get(str(book), book), pair.get(f"{side}_title")) if v)
    name = chapter_name(pair.get(side))
    return join([clip(shown or name, 100), tag("small", name, class_="file") if shown else None])

"""What was removed and why, with the sum that has to add up; and what was changed, by kind, with examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.charts import Bar, bars, legend, stacked
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import (
    Nothing,
    block,
    is_replaced,
    label_of,
    paragraph,
    titles,
    total,
)
from novelray.corpus.report.tables import Column, badge, cut, quote, table
from novelray.corpus.report.words import Words

COLOURS, BOOKS, KINDS, EXAMPLES, EXCERPT = 8, 12, 24, 8, 300


def removed(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Where the characters went, by kind and by book."""
    accounting = mapping(report.get("accounting"))
    read, kept = number(accounting.get("read")), number(accounting.get("kept"))
    if not read or kept is None:
        return Nothing(w("没有字符数的账目。", "No account of the characters was given."))
    kinds = sorted(_numbers(accounting.get("removed")).items(), key=lambda item: (-item[1], item[0]))
    others = [kind for kind, _ in kinds if kind != "duplicates"]
    colour = {kind: f"c{min(place, COLOURS)}" for place, kind in enumerate(others, 1)} | {"duplicates": "dup"}
    return join([
        _sum(read, kept, dict(kinds), w), _overall(read, kept, kinds, colour, w), _by_book(report, colour, w),
    ])  # fmt: skip


def _sum(read: float, kept: float, kinds: Mapping[str, float], w: Words) -> Html:
    gone = sum(chars for chars in kinds.values() if chars > 0)
    grown = -sum(chars for chars in kinds.values() if chars < 0)
    rest = read - kept - gone + grown
    plus = w(f" − 增长 {grown:,}", f" − grown {grown:,}") if grown else ""
    said = w(
        f"读入 {read:,} 个字符 = 保留 {kept:,} + 删去 {gone:,}{plus}",
        f"{read:,} characters read = {kept:,} kept + {gone:,} removed{plus}",
    )
    right = w("账目相符", "adds up") if not rest else w(f"账目不符，差 {rest:,}", f"does not add up: {rest:,} missing")
    return paragraph(
        said, " ", badge(("✓ " if not rest else "✗ ") + right, "pass" if not rest else "fail"), class_="sum"
    )


def _overall(read: float, kept: float, kinds: list[tuple[str, float]], colour: Mapping[str, str], w: Words) -> Html:
    parts = [Bar(w("保留", "kept"), kept, w.share(kept / read), "c0")]
    parts += [Bar(w.name(names.REMOVED, k), chars, w.share(chars / read), colour[k]) for k, chars in kinds if chars > 0]
    columns = [
        Column(w("种类", "Kind")), Column(w("字符", "Characters"), numeric=True),
        Column(w("占读入", "Of what was read"), numeric=True), Column(w("原因", "Why"), wide=True),
    ]  # fmt: skip
    lines = [
        [_key(colour[k], w.name(names.REMOVED, k)), f"{chars:,.0f}", w.share(chars / read, 2),
         w.name(names.WHY_REMOVED, k) if k in names.WHY_REMOVED else "–"]
        for k, chars in kinds
    ]  # fmt: skip
    label = w("读入的字符去了哪里", "Where the characters went")
    return block(label, stacked(parts, label), legend([("c0", w("保留", "kept"))]), table(columns, lines, label))


def _key(colour: str, label: str) -> Html:
    return join([tag("i", class_=f"key {colour}"), label])


def _by_book(report: Mapping[str, Any], colour: Mapping[str, str], w: Words) -> Html | None:
    everyone = [b for b in rows(report.get("books")) if number(b.get("chars"))]
    books, known = [b for b in everyone if not is_replaced(b)], titles(report)
    books.sort(key=lambda b: (-_gone(b) / b["chars"], str(b.get("book"))))
    lines = []
    for book in books[:BOOKS]:
        kinds = {**_numbers(book.get("removed_chars")), "duplicates": number(book.get("duplicate_chars")) or 0}
        parts = [Bar(w("保留", "kept"), book["chars"] - _gone(book), w.share(1 - _gone(book) / book["chars"]), "c0")]
        parts += [
            Bar(w.name(names.REMOVED, k), chars, w.share(chars / book["chars"]), colour.get(k, f"c{COLOURS}"))
            for k, chars in sorted(kinds.items(), key=lambda item: -item[1])
            if chars > 0
        ]
        said = w.listed([f"{part.label} {part.shown}" for part in parts])
        lines.append([label_of(book, known), w.share(_gone(book) / book["chars"]), stacked(parts, said)])
    if not lines:
        return None
    columns = [
        Column(w("书", "Book")),
        Column(w("删去", "Removed"), numeric=True),
        Column(w("构成", "Made of"), wide=True),
    ]
    heading = w("删去最多的书", "Books that lost most")
    replaced = len(everyone) - len(books)
    intro = w(f"另有 {replaced:,} 本书由别的版本整本代替，见“重复”。",
              f"{w.count(replaced, en='more book')} gave way as a whole to another edition.")  # fmt: skip
    shown = table(columns, lines, heading)
    return block(heading, shown, cut(w, len(lines), len(books)), intro=intro if replaced else "")


def _gone(book: Mapping[str, Any]) -> float:
    """Characters of a book that did not get into the corpus."""
    kept = number(book.get("kept_chars")) or 0
    return float(book["chars"] - kept + (number(book.get("duplicate_chars")) or 0))


def changed(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Changes of the text by kind: normalisation, correction, personal data; with small diffs."""
    counts = {kind: n for kind, n in _numbers(report.get("changes")).items() if n}
    private = _numbers(report.get("privacy")) or {k: n for k, n in counts.items() if k in names.PRIVATE}
    ordinary = {kind: n for kind, n in counts.items() if kind not in private}
    if not counts and not private:
        return Nothing(w("没有改动任何文字。", "No text was changed."))
    examples = rows(mapping(report.get("examples")).get("changes"))
    return join([
        _counts(ordinary, w("规范化与校正", "Normalisation and correction"), w),
        _diffs(examples, report, w("改动的例子", "Examples of changes"), w),
        _counts(private, w("个人信息", "Personal data"), w),
    ])  # fmt: skip


def _counts(counts: Mapping[str, float], heading: str, w: Words) -> Html:
    if not total(counts):
        return block(heading, paragraph(w("没有发现。", "None found."), class_="note"))
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [Bar(w.name(names.CHANGES, kind), n, w.count(n)) for kind, n in ordered[:KINDS]]
    return block(
        heading, bars(shown, w("改动次数", "Number of changes")), cut(w, len(shown), len(ordered)),
        intro=w(f"共 {total(counts):,.0f} 处。", f"{total(counts):,.0f} in all."),
    )  # fmt: skip


def _diffs(found: list[Mapping[str, Any]], report: Mapping[str, Any], heading: str, w: Words) -> Html | None:
    if not found:
        return None
    known = titles(report)
    seen: Counter[str] = Counter()
    turns = []
    for place, example in enumerate(found):  # one of every book before the second of any
        turns.append((seen[str(example.get("book"))], place))
        seen[str(example.get("book"))] += 1
    found = [found[place] for _, place in sorted(turns)]
    items = (
        tag("li", tag("small", known.get(str(e.get("book")), "")),
            inline_diff(clip(e.get("before"), EXCERPT), clip(e.get("after"), EXCERPT), e.get("lang")))
        for e in found[:EXAMPLES]
    )  # fmt: skip
    return block(heading, tag("ul", *items, class_="examples"))


def inline_diff(before: str, after: str, lang: Any = "") -> Html:
    """One text with what went struck out and what came underlined."""
    parts: list[Html | str] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            parts.append(before[i:j])
        else:
            parts += [tag("del", before[i:j])] if j > i else []
            parts += [tag("ins", after[k:m])] if m > k else []
    return quote(join(parts), lang)


def _numbers(table: Any) -> dict[str, float]:
    return {str(key): found for key, value in mapping(table).items() if (found := number(value)) is not None}

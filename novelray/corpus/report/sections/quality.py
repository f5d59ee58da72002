"""Quality: the arc of each book, style, perspectives, genres, curated text and chapter lengths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novelray.corpus.quality.explain import FOUND, explain
from novelray.corpus.report import names
from novelray.corpus.report.charts import Axis, Bar, bars, curve, histogram
from novelray.corpus.report.html import Html, join, mapping, number, numbers, rows, tag
from novelray.corpus.report.look import STYLE_TARGET
from novelray.corpus.report.measured import arc_score
from novelray.corpus.report.sections.common import (
    Nothing,
    block,
    grid,
    guide_badge,
    is_replaced,
    label_of,
    paragraph,
    titles,
)
from novelray.corpus.report.tables import cut
from novelray.corpus.report.words import Words

ARCS, KINDS = 24, 12
PERSPECTIVES, GENRES = 5, 3  # the guide's, where the report says nothing else


def quality(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Charts of what was measured."""
    facts = mapping(report.get("quality"))
    books = [book for book in rows(report.get("books")) if not is_replaced(book)]
    known = titles(report)
    charts = [
        _style(books, max(0.01, number(facts.get("style_target")) or STYLE_TARGET), w),
        _lengths(facts.get("chapter_chars"), w),
        _kinds(facts, "perspectives", PERSPECTIVES, w),
        _kinds(facts, "genres", GENRES, w),
        _curated(mapping(facts.get("curated")), w),
    ]
    arcs = _arcs(books, known, w)
    shown = [chart for chart in charts if chart is not None]
    if arcs is None and not shown:
        return Nothing(
            w("没有测量质量（corpus.quality.measure）。", "Quality was not measured (corpus.quality.measure).")
        )
    return join([grid(*shown), arcs])


def _style(books: list[Mapping[str, Any]], target: float, w: Words) -> Html | None:
    distances = [d for b in books if (d := number(b.get("style_distance"))) is not None and d >= 0]
    if not distances:
        return None
    high = max(0.3, max(distances) * 1.02)
    width = target / 6  # a bin ends at the target
    edges = [i * width for i in range(int(high / width) + 2)]
    counts = _counted(distances, edges)
    over = sum(d > target for d in distances)
    label = w(
        f"{len(distances):,} 本书中 {over:,} 本的文风距离超过 {w.share(target, 0)}",
        f"{over:,} of {len(distances):,} books are farther than {w.share(target, 0)}",
    )
    ticks = [(edges[i], w.share(edges[i], 0)) for i in range(0, len(edges), max(1, len(edges) // 5))]
    spans = [
        f"{w.share(a)}–{w.share(b)} · {w.count(n, '本书', 'book')}"
        for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    axis = Axis(edges, ticks, (target, w(f"上限 {w.share(target, 0)}", f"limit {w.share(target, 0)}")))
    return block(
        w("文风距离", "Style distance"), histogram(axis, counts, label, spans),
        paragraph(label, w("。", ". "), guide_badge(w), class_="note"),
        intro=w("一本书的各章在多大程度上分成两种文风（TF-IDF 差异中落在两组之间的份额）；纵轴为书的数量。",
                "How far a book's chapters fall into two styles: share of their TF-IDF spread that lies between two "
                "groups; books per bin."),
    )  # fmt: skip


def _lengths(given: Any, w: Words) -> Html | None:
    edges, counts = _bins(given)
    if not sum(counts):
        return None
    label = w(f"{sum(counts):,} 章的长度", f"Length of {w.count(sum(counts), en='chapter')}")
    ticks = [(edges[i], w.big(edges[i])) for i in range(0, len(edges), max(1, round(len(edges) / 5)))]
    spans = [
        f"{a:,.0f}–{b:,.0f} · {w.count(n, '章', 'chapter')}" for a, b, n in zip(edges, edges[1:], counts, strict=False)
    ]
    return block(
        w("章节长度", "Chapter length"), histogram(Axis(edges, ticks), counts, label, spans),
        intro=w("横轴为字符数，纵轴为章数；最右一栏包含更长的章。",
                "Characters across, chapters up; the last bin holds all longer ones."),
    )  # fmt: skip


def _bins(given: Any) -> tuple[list[float], list[int]]:
    """Edges and counts; none where they do not fit each other."""
    edges, counts = numbers(mapping(given).get("edges")), [int(c) for c in numbers(mapping(given).get("counts"))]
    return (edges, counts) if len(edges) == len(counts) + 1 else ([0, 1], [])


def _counted(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        place = int((value - edges[0]) / (edges[1] - edges[0]))
        counts[min(max(place, 0), len(counts) - 1)] += 1
    return counts


def _kinds(facts: Mapping[str, Any], key: str, least: int, w: Words) -> Html | None:
    counts = {k: n for k, v in mapping(facts.get(key)).items() if (n := number(v))}
    if not counts:
        return None
    least = int(number(facts.get(f"{key}_target")) or least)
    known = {k: n for k, n in counts.items() if k not in ("unknown", "und", "")}
    told = key == "perspectives"
    table, whole = names.PERSPECTIVES if told else names.GENRES, sum(counts.values())

    def bar(label: str, value: float, colour: str = "c0") -> Bar:
        return Bar(label, value, f"{w.big(value)} · {w.share(value / whole, 0)}", colour)

    ordered = sorted(known.items(), key=lambda item: (-item[1], item[0]))
    shown = [bar(w.name(table, k), n) for k, n in ordered[:KINDS]]
    missing = max(0, least - len(known))
    shown += [Bar(w("空缺", "missing"), 0, "–", "gap")] * missing
    if len(counts) > len(known):
        shown.append(bar(w("无法判断", "not known"), whole - sum(known.values()), "c8"))
    said = w(
        f"{len(known)} 种，至少要 {least} 种" + (f"，还差 {missing} 种。" if missing else "，达标。"),
        f"{w.count(len(known), en='kind')}, at least {least} wanted"
        + (f": {missing} missing." if missing else ": reached."),
    )
    heading = w("叙事视角", "Narrative perspective") if told else w("题材", "Genre")
    claim = paragraph(said, " ", guide_badge(w), class_="note")
    return block(heading, bars(shown, heading), claim, intro=w("按字符数。", "By characters."))


def _curated(counts: Mapping[str, Any], w: Words) -> Html | None:
    labels = {
        "curated": (w("人工精选", "curated"), "pass"), "not": (w("未精选", "not curated"), "c0"),
        "unknown": (w("未注明，按未精选计", "not known, counted as not"), "c8"),
    }  # fmt: skip
    whole = sum(number(counts.get(key)) or 0 for key in labels)
    if not whole:
        return None
    shown = [
        Bar(label, n, f"{w.big(n)} · {w.share(n / whole, 0)}", colour)
        for key, (label, colour) in labels.items()
        if (n := number(counts.get(key)) or 0)
    ]
    heading = w("人工精选", "Human-curated text")
    return block(heading, bars(shown, heading), intro=w("按字符数，依元数据。", "By characters, by their metadata."))


def _arcs(books: list[Mapping[str, Any]], known: Mapping[str, str], w: Words) -> Html | None:
    found = [book for book in books if arc_score(book) is not None]
    if not found:
        return None
    found.sort(key=lambda b: (arc_score(b) or 0.0, str(b.get("book"))))
    return block(
        w("故事弧", "Story arcs"), tag("div", *(_arc(b, label_of(b, known), w) for b in found[:ARCS]), class_="arcs"),
        cut(w, min(len(found), ARCS), len(found)),
        intro=w("得分最低的在前。曲线是全书的张力走势，从头到尾；总分是前四项的平均，再按连贯度折算。",
                "The lowest first. The curve is tension from first to last page; the score is the mean of four parts, "
                "weighed with continuity."),
    )  # fmt: skip


def _arc(book: Mapping[str, Any], label: str, w: Words) -> Html:
    arc, score = mapping(book.get("arc")), w.score(arc_score(book))
    points = numbers(mapping(arc.get("detail")).get("tension"))
    parts = [
        Bar(w(*label), value, w.score(value))
        for part, label in names.ARC_PARTS.items()
        if (value := number(arc.get(part))) is not None
    ]
    said = w(f"{label} 的张力走势", f"Tension in {label}")
    return tag(
        "figure", tag("figcaption", tag("b", label), " ", tag("span", score, class_="num")),
        curve(points, said) if len(points) > 1 else None,
        bars(parts, w("各部分得分", "Scores of the parts"), top=1.0) if parts else None,
        paragraph(_weakest(arc, w), class_="note"),
    )  # fmt: skip


def _weakest(arc: Mapping[str, Any], w: Words) -> str:
    """Why the lowest of the parts is so low; "" where the measure does not say."""
    scores = {part: number(arc.get(part)) for part in names.ARC_PARTS}
    found = {part: score for part, score in scores.items() if score is not None}
    if len(found) < len(scores):
        return ""
    detail = {key: value for key, value in mapping(arc.get("detail")).items() if key in FOUND}
    if any(number(value) is None for value in detail.values()):
        return ""
    return explain({**found, "detail": {**detail, "tension": []}}, w.language)[min(found, key=lambda p: found[p])]

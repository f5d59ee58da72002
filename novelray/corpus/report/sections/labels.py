"""Labels: how far annotators agree, which labels are used, and where they disagree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report.charts import strip
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import Nothing, block, chapter_name, paragraph
from novelray.corpus.report.tables import Column, badge, cut, quote, table
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

LINES, DISAGREEMENTS = 80, 30

Row = Mapping[str, Any]


def labels(report: Row, w: Words) -> Html | Nothing:
    """Per layer the labels that are used, agreement per label and pair of annotators; then the disagreements."""
    facts = mapping(report.get("labels"))
    layers, least = rows(facts.get("layers")), number(facts.get("min_kappa"))
    parts = [
        _verdicts(layers, least, w),
        _pairs(layers, least, w),
        _disagreements(facts, w),
        _listed(rows(facts.get("quarantine")), w("没有采用的标注文件", "Label files that were set aside"), w),
        _listed(rows(facts.get("left_out")), w("没有采用的标注", "Labels that were left out"), w),
    ]
    if not any(part is not None for part in parts):
        return Nothing(w("没有提供标注（corpus.labels.files）。", "No labels were given (corpus.labels.files)."))
    chapters = number(facts.get("labelled_chapters"))
    said = w(f"{chapters:,} 章带有标签。", f"{w.count(chapters, en='chapter')} with labels.") if chapters else None
    return join([paragraph(said, class_="intro") if said else None, *parts])


def _verdicts(layers: list[Row], least: float | None, w: Words) -> Html | None:
    found = [(layer, label) for layer in layers for label in rows(layer.get("labels"))]
    if not found:
        return None
    columns = [
        Column(w("层 · 标签", "Layer · label")), Column(w("次数", "Given"), numeric=True),
        Column(w("标注人对", "Pairs"), numeric=True), Column(w("平均 κ", "Mean κ"), numeric=True),
        Column("", wide=True), Column(w("采用", "Used")), Column(w("原因", "Because"), wide=True),
    ]  # fmt: skip
    lines = (
        [_name(layer, label), w.count(label.get("given")), w.count(label.get("pairs")), w.score(label.get("mean")),
         _kappa(label.get("mean"), least, w), _used(label.get("used"), w), told(label.get("reason"), w)]
        for layer, label in found[:LINES]
    )  # fmt: skip
    heading = w("采用哪些标签", "Which labels are used")
    said = w(
        f"平均 κ 低于 {w.score(least)} 的标签不采用。", f"Labels with a mean kappa below {w.score(least)} are not used."
    )
    note = cut(w, min(len(found), LINES), len(found))
    return block(heading, table(columns, lines, heading), note, intro=said if least is not None else "")


def _pairs(layers: list[Row], least: float | None, w: Words) -> Html | None:
    found = [(layer, pair) for layer in layers for pair in rows(layer.get("kappa"))]
    if not found:
        return None
    columns = [
        Column(w("层 · 标签", "Layer · label")), Column(w("标注人", "Annotators")),
        Column(w("共同标注", "In common"), numeric=True), Column(w("一致", "Agree"), numeric=True),
        Column("κ", numeric=True), Column("", wide=True),
    ]  # fmt: skip
    found.sort(key=lambda item: (number(item[1].get("kappa")) is None, number(item[1].get("kappa")) or 0.0))
    lines = (
        [_name(layer, pair), _people(pair.get("annotators")), w.count(pair.get("common")),
         w.share(pair.get("agreement"), 0), w.score(pair.get("kappa")), _kappa(pair.get("kappa"), least, w)]
        for layer, pair in found[:LINES]
    )  # fmt: skip
    heading = w("两两一致性（科恩 κ），最低的在前", "Agreement of pairs (Cohen's kappa), the lowest first")
    return block(heading, table(columns, lines, heading), cut(w, min(len(found), LINES), len(found)))


def _name(layer: Row, label: Row) -> str:
    return clip(" · ".join(str(v) for v in (layer.get("layer"), label.get("label")) if v), 80) or "–"


def _people(people: Any) -> str:
    return clip(" – ".join(str(p) for p in people) if isinstance(people, list | tuple) else people or "–", 80)


def _kappa(value: Any, least: float | None, w: Words) -> Html | str:
    kappa = number(value)
    return "–" if kappa is None else strip(kappa, f"κ {w.score(kappa)}", "c0", least)


def _used(used: Any, w: Words) -> Html | str:
    if not isinstance(used, bool):
        return "–"
    return badge(w("✓ 采用", "✓ used"), "pass") if used else badge(w("✗ 不采用", "✗ not used"), "fail")


def _disagreements(facts: Row, w: Words) -> Html | None:
    found = rows(facts.get("disagreements"))
    if not found:
        return None
    columns = [
        Column(w("章", "Chapter")), Column(w("层", "Layer")), Column(w("各人的标注", "Who said what"), wide=True),
        Column(w("结果", "Result")), Column(w("片段", "Passage"), wide=True),
    ]  # fmt: skip
    lines = (
        [clip(row.get("title") or chapter_name(row.get("chapter_id")), 60),
         clip(row.get("layer", "–"), 40), _values(row, w), told(row.get("result"), w, 80) or "–",
         quote(clip(row.get("excerpt"), 160), row.get("lang")) if row.get("excerpt") else "–"]
        for row in found[:DISAGREEMENTS]
    )  # fmt: skip
    heading = w("分歧", "Disagreements")
    total = max(len(found), round(number(facts.get("disagreements_total")) or 0))
    return block(heading, table(columns, lines, heading), cut(w, min(len(found), DISAGREEMENTS), total))


def _values(row: Row, w: Words) -> str:
    nothing = w("（无）", "(nothing)")
    return clip(w.listed([f"{who}: {said or nothing}" for who, said in mapping(row.get("values")).items()]) or "–", 300)


def _listed(found: list[Row], heading: str, w: Words) -> Html | None:
    if not found:
        return None
    items = (
        tag("li", tag("b", clip(f.get("file"), 100)), " ", told(f.get("reason"), w),
            f" · {w.count(f['count'])}" if number(f.get("count")) else None)
        for f in found[:LINES]
    )  # fmt: skip
    return block(heading, tag("ul", *items), cut(w, min(len(found), LINES), len(found)))

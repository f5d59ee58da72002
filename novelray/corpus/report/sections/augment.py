"""Augmentation: how much text was made against the cap, what each method kept, and examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.charts import Bar, bars, strip
from novelray.corpus.report.html import Html, clip, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import Nothing, block, paragraph, titles, total
from novelray.corpus.report.sections.removed import inline_diff
from novelray.corpus.report.tables import Column, badge, table
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

EXAMPLES, LENGTH = 8, 300

Row = Mapping[str, Any]


def augment(report: Row, w: Words) -> Html | Nothing:
    """The share against the cap, a line per method, texts before and after."""
    facts = mapping(report.get("augment"))
    methods = {method: mapping(found) for method, found in mapping(facts.get("methods")).items()}
    if not methods:
        return Nothing(
            w("没有做数据增强（corpus.augment.share 为 0）。", "Nothing was augmented (corpus.augment.share is 0).")
        )
    return join([_share(facts, w), _languages(facts, w), _methods(methods, w), _examples(methods, report, w)])


def _share(facts: Row, w: Words) -> Html:
    used, cap = number(facts.get("used")) or 0.0, number(facts.get("share"))
    pieces, chars = w.count(facts.get("pieces")), w.count(facts.get("chars"))
    said = w(
        f"生成了 {pieces} 篇、{chars} 个字符，为训练原文的 {w.share(used)}",
        f"{pieces} pieces with {chars} characters were made, {w.share(used)} of the books' own training text",
    )
    said += w(f"，上限 {w.share(cap)}。", f"; the cap is {w.share(cap)}.") if cap else w("。", ".")
    top = max(cap or 0.0, used, 0.5)
    return join([paragraph(said), strip(used / top, said, "c0", cap / top if cap else None)])


def _languages(facts: Row, w: Words) -> Html | None:
    found = {language: mapping(counts) for language, counts in mapping(facts.get("languages")).items()}
    shown = [
        Bar(w.name(names.LANGUAGES, language), made / own, f"{w.count(made)} / {w.count(own)} · {w.share(made / own)}")
        for language, counts in found.items()
        if (own := number(counts.get("original"))) and (made := number(counts.get("augmented"))) is not None
    ]
    if not shown:
        return None
    cap, heading = number(facts.get("share")), w("各语言：生成 / 原文", "By language: made / original")
    return block(heading, bars(shown, heading, max(cap or 0.0, 0.5), cap))


def _methods(methods: Mapping[str, Row], w: Words) -> Html:
    columns = [
        Column(w("方法", "Method")), Column(w("生成", "Made"), numeric=True), Column(w("采用", "Kept"), numeric=True),
        Column(w("淘汰", "Rejected"), numeric=True), Column(w("字符", "Characters"), numeric=True),
        Column(w("与原文的相似度", "Like its source"), numeric=True,
               hint=w("采用者的平均余弦相似度", "mean cosine similarity of the kept ones")),
        Column(w("淘汰原因", "Rejected because"), wide=True),
    ]  # fmt: skip
    heading = w("各方法的结果", "What each method gave")
    return block(heading, table(columns, (_method(key, found, w) for key, found in methods.items()), heading))


def _method(key: str, facts: Row, w: Words) -> list[Any]:
    rejected = mapping(facts.get("rejected"))
    why = [tag("div", told(reason, w), f" {w.count(n)}") for reason, n in rejected.items() if number(n)]
    counts = [w.count(facts.get("made")), w.count(facts.get("kept")), w.count(total(rejected))]
    like = w.score(facts.get("mean_similarity"))
    return [w.name(names.METHODS, key), *counts, w.count(facts.get("chars")), like, join(why) or "–"]


def _examples(methods: Mapping[str, Row], report: Row, w: Words) -> Html | None:
    each = max(1, EXAMPLES // len(methods))
    found = [(key, example) for key, facts in methods.items() for example in rows(facts.get("examples"))[:each]]
    if not found:
        return None
    known = titles(report)
    items = (
        tag("li", badge(w.name(names.METHODS, key)), " ", tag("small", _origin(example, known, w)),
            inline_diff(clip(example.get("before"), LENGTH), clip(example.get("after"), LENGTH), example.get("lang")))
        for key, example in found[:EXAMPLES]
    )  # fmt: skip
    intro = w("划去的是原文，下划线的是新文。", "Struck out: the source. Underlined: what replaced it.")
    return block(w("增强的例子", "Examples of augmentation"), tag("ul", *items, class_="examples"), intro=intro)


def _origin(example: Row, known: Mapping[str, str], w: Words) -> str:
    book = known.get(str(example.get("book")), example.get("book"))
    like = w(f"相似度 {w.score(example.get('similarity'))}", f"similarity {w.score(example.get('similarity'))}")
    return clip(" · ".join(str(v) for v in (book, example.get("title"), like) if v), 120)

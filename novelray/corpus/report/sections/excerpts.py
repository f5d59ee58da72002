"""The worst and the best passages, each with its score and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.html import Html, clip, mapping, rows, tag
from novelray.corpus.report.sections.common import Nothing, block, chapter_name, explanation, grid, titles
from novelray.corpus.report.tables import badge, quote
from novelray.corpus.report.words import Words

SHOWN, LENGTH = 6, 320


def excerpts(report: Mapping[str, Any], w: Words) -> Html | Nothing:
    """Two columns of passages."""
    found = mapping(report.get("excerpts"))
    worst, best = rows(found.get("worst")), rows(found.get("best"))
    if not (worst or best):
        return Nothing(w("没有给出片段。", "No passages were given."))
    known = titles(report)
    columns = [
        block(heading, *(_passage(e, known, w) for e in passages[:SHOWN]))
        for heading, passages in ((w("最差", "Worst"), worst), (w("最好", "Best"), best))
        if passages
    ]
    return grid(*columns)


def _passage(passage: Mapping[str, Any], known: Mapping[str, str], w: Words) -> Html:
    book = known.get(str(passage.get("book")), str(passage.get("book", "")))
    where = " · ".join(str(v) for v in (book, passage.get("title")) if v) or chapter_name(passage.get("chapter_id"))
    measure = w.name(names.MEASURES, passage.get("measure", "score"))
    return tag(
        "figure",
        tag("figcaption", tag("b", clip(where, 120)), " ", badge(f"{measure} {w.score(passage.get('score'))}")),
        quote(clip(passage.get("excerpt"), LENGTH), passage.get("lang")),
        tag("p", explanation(passage, "why", w) or why(passage, w), class_="why"),
        class_="passage",
    )


def why(passage: Mapping[str, Any], w: Words) -> str:
    """Why a passage is shown, by what was measured of its chapter."""
    if passage.get("measure") == "style_distance":
        return w(
            "这一章的用词与全书其余各章差别最大。", "Its words differ most from those of the book's other chapters."
        )
    if passage.get("measure") == "arc":
        return w(
            "这一章自身的铺垫、冲突、高潮与结局最完整。",
            "It has the fullest setup, conflict, climax and resolution of its own.",
        )
    return ""

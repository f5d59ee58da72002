"""The report as one HTML page, in Chinese and English, with nothing outside it and no script.

The page holds each section once per language; two radio buttons and the style sheet show one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from novelray.corpus.report.html import Html, clip, join, tag
from novelray.corpus.report.sections.augment import augment
from novelray.corpus.report.sections.common import Nothing
from novelray.corpus.report.sections.duplicates import duplicates
from novelray.corpus.report.sections.excerpts import excerpts
from novelray.corpus.report.sections.labels import labels
from novelray.corpus.report.sections.quality import quality
from novelray.corpus.report.sections.removed import changed, removed
from novelray.corpus.report.sections.shelf import shelf
from novelray.corpus.report.sections.verdict import verdict
from novelray.corpus.report.sections.volume import heldout, quarantine, volume
from novelray.corpus.report.style import STYLE
from novelray.corpus.report.words import Language, Words, default_language

Section = Callable[[Mapping[str, Any], Words], Html | Nothing]

SECTIONS: tuple[tuple[str, str, str, Section], ...] = (
    ("verdict", "够用吗？", "Is it enough?", verdict),
    ("shelf", "书架", "The shelf", shelf),
    ("removed", "删去了什么，为什么", "What was removed, and why", removed),
    ("changed", "改动了什么", "What was changed", changed),
    ("duplicates", "重复", "Duplicates", duplicates),
    ("quality", "质量", "Quality", quality),
    ("excerpts", "最差与最好的片段", "Worst and best passages", excerpts),
    ("augment", "数据增强", "Augmentation", augment),
    ("labels", "标注", "Labels", labels),
    ("volume", "体量与扩充计划", "Volume and growth", volume),
    ("quarantine", "隔离区", "Quarantine", quarantine),
    ("heldout", "留出集", "Held-out split", heldout),
)


def page(report: Mapping[str, Any], language: str = "auto") -> str:
    """The page of a report of the shape that `build_report` makes; any of its parts may be missing.

    `language`: what is shown first, "zh", "en", or "auto" for the language of most chapters.
    """
    if language not in ("auto", "zh", "en"):
        raise ValueError(f"language is auto, zh or en, not {language!r}")
    first = default_language(report) if language == "auto" else cast(Language, language)
    w = Words(first)
    head = tag(
        "head", tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", http_equiv="Content-Security-Policy", content="default-src 'none'; style-src 'unsafe-inline'"),
        tag("title", f"{_name(report)} · " + w("语料报告", "Corpus report")), tag("style", Html(STYLE)),
    )  # fmt: skip
    radios = [
        tag(
            "input",
            type="radio",
            name="language",
            id=f"show-{key}",
            class_="switch",
            checked=key == first,
            aria_label=label,
        )
        for key, label in (("zh", "中文"), ("en", "English"))
    ]
    body = tag("body", *radios, _body(report, Words("zh"), first), _body(report, Words("en"), first))
    return "<!doctype html>\n" + tag("html", head, body, lang=w.tag) + "\n"


def _body(report: Mapping[str, Any], w: Words, first: Language) -> Html:
    made = [(key, w(zh, en), section(report, w)) for key, zh, en, section in SECTIONS]
    links = (
        tag(
            "li", tag("a", title, href=f"#{key}-{w.language}"), class_="empty" if isinstance(content, Nothing) else None
        )
        for key, title, content in made
    )
    sections = (_section(place, key, title, content, w) for place, (key, title, content) in enumerate(made, 1))
    nav = tag("nav", tag("ol", *links), aria_label=w("目录", "Contents"))
    return tag(
        "div",
        _header(report, w),
        nav,
        tag("main", *sections),
        _footer(report, w),
        lang=w.tag,
        class_=f"in-{w.language}",
    )


def _section(place: int, key: str, title: str, content: Html | Nothing, w: Words) -> Html:
    empty = isinstance(content, Nothing)
    heading = tag("h2", tag("span", f"{place}", class_="place"), " ", title)
    return tag(
        "section", heading, tag("p", content, class_="nothing") if empty else content, id=f"{key}-{w.language}",
        class_="empty" if empty else None,
    )  # fmt: skip


def _header(report: Mapping[str, Any], w: Words) -> Html:
    switches = tag(
        "p", tag("label", "中文", for_="show-zh", lang="zh-Hans"), tag("label", "English", for_="show-en", lang="en"),
        class_="languages",
    )  # fmt: skip
    title = tag("h1", tag("small", w("语料报告", "Corpus report")), _name(report))
    return tag("header", title, switches)


def _footer(report: Mapping[str, Any], w: Words) -> Html:
    version = f"NovelRay {report['novelray']}" if report.get("novelray") else "NovelRay"
    said = w("同样的事实也在 report.json 中，供程序读取。", "report.json has the same facts for programs.")
    told = w("标有“指南的说法”的目标出自业内指南，并非我们的测量。",
             "Targets marked as the guide's claim are a published guide's, not our measurements.")  # fmt: skip
    return tag("footer", tag("p", join([said, " ", told])), tag("p", version))


def _name(report: Mapping[str, Any]) -> str:
    return clip(report.get("name") or "NovelRay", 80)

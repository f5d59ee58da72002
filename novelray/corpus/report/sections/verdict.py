"""The verdict: is this corpus enough, and which gates does it pass?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report.charts import strip
from novelray.corpus.report.html import Html, join, mapping, number, rows, tag
from novelray.corpus.report.sections.common import guide_badge, objective_name, paragraph
from novelray.corpus.report.sections.gates import card, title
from novelray.corpus.report.words import Words


def verdict(report: Mapping[str, Any], w: Words) -> Html:
    """The sentence that matters, the corpus in figures, and a card per gate."""
    gates = rows(report.get("gates"))
    cards = tag("div", *(card(gate, w) for gate in gates), class_="cards") if gates else None
    none = None if gates else paragraph(w("没有质量关的结果。", "No quality gates were judged."), class_="note")
    return join([_answer(report, gates, w), _figures(report, w), cards, none])


def _answer(report: Mapping[str, Any], gates: list[Mapping[str, Any]], w: Words) -> Html:
    objective = mapping(report.get("objective"))
    enough = objective.get("enough")
    failed = [gate for gate in gates if gate.get("passed") is False]
    if enough is True and not failed:
        sentence, mood = w("够用。", "This corpus is enough."), "pass"
    elif enough is True:
        sentence, mood = w("量够了，质量还有欠缺。", "Enough text, but not every gate is passed."), "look"
    elif enough is False:
        sentence, mood = w("还不够。", "Not enough yet."), "fail"
    else:
        sentence, mood = w("是否够用，无从判断。", "Whether it is enough cannot be said."), "none"
    return tag(
        "div", tag("p", sentence, class_="answer"), _volume(report, objective, w), _gate_sentence(gates, failed, w),
        class_=f"verdict {mood}",
    )  # fmt: skip


def _volume(report: Mapping[str, Any], objective: Mapping[str, Any], w: Words) -> Html | None:
    tokens, wanted = number(objective.get("tokens")), number(objective.get("wanted"))
    if tokens is None or not wanted:
        return paragraph(w("没有给出训练目标或词元数。", "No objective or number of tokens was given."))
    about = w("约 ", "about ") if objective.get("estimated") else ""
    aim = objective_name(report, w)
    said = w(
        f"目标“{aim}”至少需要 {w.big(wanted)}词元；训练文本{about}{w.big(tokens)}词元，"
        f"为其 {w.share(tokens / wanted)}" + (f"，还差 {w.big(wanted - tokens)}。" if tokens < wanted else "。"),
        f"The objective ({aim}) wants at least {w.big(wanted)} tokens; the training text has {about}{w.big(tokens)}, "
        f"{w.share(tokens / wanted)} of it" + (f"; {w.big(wanted - tokens)} are missing." if tokens < wanted else "."),
    )
    more = w(
        "文本不足下限，但故事弧与文风达标，且文本量 × 模型规模达到指南的门槛，所以算够。",
        "Less than the minimum will do here: arc and style hold, and text × model size reaches the guide's mark.",
    )
    return join([
        paragraph(said, " ", guide_badge(w)),
        strip(tokens / wanted, said, "pass" if tokens >= wanted else "c0"),
        paragraph(more, class_="note") if objective.get("compensated") else None,
    ])  # fmt: skip


def _gate_sentence(gates: list[Mapping[str, Any]], failed: list[Mapping[str, Any]], w: Words) -> Html | None:
    if not gates:
        return None
    passed = sum(gate.get("passed") is True for gate in gates)
    said = w(f"{len(gates)} 道质量关中 {passed} 道达标", f"{passed} of {len(gates)} gates passed")
    if failed:
        listed = w.listed([title(gate, w) for gate in failed])
        said += w(f"；未达标：{listed}", f"; not reached: {listed}")
    return paragraph(said + w("。", "."))


def _figures(report: Mapping[str, Any], w: Words) -> Html:
    accounting, splits = mapping(report.get("accounting")), mapping(report.get("splits"))
    chapters = sum(number(mapping(split).get("chapters")) or 0 for split in splits.values())
    read, kept = number(accounting.get("read")), number(accounting.get("kept"))
    duplicates = len(rows(mapping(report.get("duplicates")).get("chapters")))
    figures = [
        (w.count(len(rows(report.get("books")))), w("本书", "books"), "shelf"),
        (w.count(chapters), w("章（训练与留出）", "chapters kept"), "heldout"),
        (w.big(kept), w("保留的字符", "characters kept"), "removed"),
        (w.share((read - kept) / read) if read and kept is not None else "–", w("被删去", "removed"), "removed"),
        (w.count(duplicates), w("重复章节", "duplicate chapters"), "duplicates"),
        (w.count(sum(bool(b.get("look")) for b in rows(report.get("books")))), w("本书值得一看", "books to look at"),
         "shelf"),
        (w.count(len(rows(report.get("quarantine")))), w("份被隔离", "set aside"), "quarantine"),
    ]  # fmt: skip
    tiles = (
        tag("li", tag("a", tag("b", value), tag("span", label), href=f"#{where}-{w.language}"))
        for value, label, where in figures
    )
    return tag("ul", *tiles, class_="figures")

"""A card per gate: its number, its target and whose claim that is, and what lies behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from novelray.corpus.report import names
from novelray.corpus.report.html import Html, items, mapping, number, tag
from novelray.corpus.report.sections.common import guide_badge, paragraph, status, total
from novelray.corpus.report.translate import told
from novelray.corpus.report.words import Words

Gate = Mapping[str, Any]


def card(gate: Gate, w: Words) -> Html:
    """One gate."""
    detail, passed = mapping(gate.get("detail")), gate.get("passed")
    mood = "pass" if passed is True else "fail" if passed is False else "none"
    sign = "≤" if detail.get("better") == "less" else "≥"
    aim = w(f"目标 {sign} {amount(gate, 'target', w)}", f"target {sign} {amount(gate, 'target', w)}")
    claim = guide_badge(w) if str(gate.get("name")) in names.GUIDE_GATES else None
    return tag(
        "article", tag("h3", title(gate, w)), tag("p", amount(gate, "value", w), class_="value"),
        paragraph(aim, " ", claim, class_="aim"), status(passed, w), paragraph(why(gate, w), class_="why"),
        class_=f"card {mood}",
    )  # fmt: skip


def title(gate: Gate, w: Words) -> str:
    """A gate's name."""
    return w.name(names.GATES, gate.get("name", "?"))


def amount(gate: Gate, key: str, w: Words) -> str:
    """A gate's value or target in its unit."""
    unit, value = names.GATE_UNITS.get(str(gate.get("name"))), gate.get(key)
    if key == "value" and gate.get("passed") is None and not number(value):
        return "–"
    if unit == "share":
        return w.share(value)
    if unit == "tokens":
        return w.big(value)
    return w.count(value) if unit == "count" else w.score(value)


def why(gate: Gate, w: Words) -> Html | str:
    """What lies behind a gate's number: in English as the gate says it, in Chinese from the same facts."""
    say = _CHINESE.get(str(gate.get("name")))
    if w.language == "zh" and say is not None and mapping(gate.get("detail")):
        return say(gate, mapping(gate.get("detail")), w)
    return told(gate.get("explanation"), w)


def _arc(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    loose = len(items(detail.get("collections")))
    said = f"{len(mapping(detail.get('books'))):,} 本书按篇幅加权的平均。"
    return said + (f"{loose:,} 本没有贯穿的线索，像合集或章序混乱。" if loose else "")


def _style(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    above = len(items(detail.get("above")))
    said = f"{len(mapping(detail.get('books'))):,} 本书内部文风距离的加权平均。"
    return said + (f"{above:,} 本超过上限：不止一人执笔，或中途换了笔调。" if above else "")


def _perspectives(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    missing = w.listed([w.name(names.PERSPECTIVES, key) for key in items(detail.get("missing"))])
    return f"未见：{missing}。" if missing else "六种视角都有。"


def _genres(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    found = w.listed([w.name(names.GENRES, key) for key in mapping(detail.get("characters"))])
    guessed = items(detail.get("guessed"))
    said = f"有{found}。" if found else "没有题材信息。"
    return said + ("其中有的是按用词推测的，把握不高，以元数据为准。" if guessed else "")


def _curated(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    by = mapping(detail.get("characters"))
    unknown = number(by.get("unknown")) or 0
    said = "依元数据，按字符数计。"
    return said + (f"{w.share(unknown / total(by), 0)} 未注明，按未精选计。" if unknown else "")


def _volume(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    aim = w.name(names.OBJECTIVES, detail.get("objective", "?"))
    said = f"目标“{aim}”；词元数由字符数估算，以分词器为准。"
    return said + ("达到补偿条件，少一些也可以。" if detail.get("compensated") else "")


def _mark(gate: Gate, detail: Mapping[str, Any], w: Words) -> str:
    if gate.get("passed") is None:
        return "模型大小未知，无法计算。"
    said = "百万词元 × 十亿参数。"
    reach = number(detail.get("tokens_for_mark"))
    return said + (f"这个模型要有 {w.big(reach)}词元才到。" if reach else "")


_CHINESE: dict[str, Callable[[Gate, Mapping[str, Any], Words], str]] = {
    "arc": _arc, "style": _style, "perspectives": _perspectives, "genres": _genres, "curated": _curated,
    "volume": _volume, "commercial_mark": _mark,
}  # fmt: skip

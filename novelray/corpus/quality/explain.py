"""A story arc in words: for every part what was found in the text that makes its score high or low."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

FOUND: dict[str, tuple[tuple[str, str], tuple[str, str]]] = {
    "continuity": (
        ("one thread runs through the chapters", "各章一线贯穿"),
        ("no thread runs through the chapters: a collection, or out of order", "各章没有贯穿的线索：像合集或章序混乱"),
    ),
    "setup_introduces": (
        ("the opening introduces people, places and times", "开篇交代了人物、地点和时间"),
        ("the opening introduces little", "开篇交代得少"),
    ),
    "setup_early": (
        ("what the book comes back to is met early", "后文反复出现的内容很早就出现"),
        ("much of what the book comes back to is met late", "后文反复出现的内容出现得晚"),
    ),
    "conflict_level": (("the middle is tense", "中段张力强"), ("the middle is calm", "中段平静")),
    "conflict_rise": (
        ("tension rises after the opening", "开篇之后张力上升"),
        ("tension does not rise after the opening", "开篇之后张力没有上升"),
    ),
    "climax_late": (
        ("the tensest stretch lies in the later half", "最紧张处在后半"),
        ("the tensest stretch does not lie in the later half", "最紧张处不在后半"),
    ),
    "resolution_closing": (
        ("the end winds up", "结尾有收束之语"),
        ("the end does not wind up: the text may be cut short", "结尾没有收束之语：文本可能不完整"),
    ),
    "resolution_returns": (
        ("the end comes back to the opening", "结尾呼应开头"),
        ("the end does not come back to the opening", "结尾没有呼应开头"),
    ),
    "resolution_calms": (
        ("the end is calmer than the climax", "结尾比高潮平静"),
        ("the end is as tense as the climax", "结尾与高潮一样紧张"),
    ),
    "resolution_closed": (
        ("the last chapter promises no other", "末章没有“且听下回”之类的预告"),
        ("the last sentence promises that the story goes on", "末句预告故事还有下文"),
    ),
}  # fmt: skip
"""For each component what a score above and one below its middle say, in English and Chinese."""

MIDDLE = {"continuity": 0.3}
"""Where that is not 0.5."""

_PARTS = {
    "setup": ("setup", "铺垫"), "conflict": ("conflict", "冲突"), "climax": ("climax", "高潮"),
    "resolution": ("resolution", "结局"), "continuity": ("continuity", "连贯"),
}  # fmt: skip


def explain(arc: Mapping[str, Any], language: Literal["en", "zh"] = "en") -> dict[str, str]:
    """Part → score and reasons, from an arc's `as_json`; a part without components in its detail has its score only."""
    chosen = ("en", "zh").index(language)
    told: dict[str, str] = {}
    for part, names in _PARTS.items():
        scores = {name: v for name, v in arc.get("detail", {}).items() if name.startswith(f"{part}_")}
        if part == "continuity" and "tension" in arc.get("detail", {}):  # an arc over chapters or stretches
            scores = {part: arc[part]}
        reasons = [FOUND[name][score < MIDDLE.get(name, 0.5)][chosen] for name, score in scores.items()]
        mark, comma = ((": ", "; "), ("：", "；"))[chosen]
        told[part] = f"{names[chosen]} {arc[part]:.2f}" + (mark + comma.join(reasons) if reasons else "")
    return told

"""Sentences that other parts of the stage say in English, said in Chinese. One that is not known stays English."""

from __future__ import annotations

import re
from typing import Any

from novelray.corpus.report.html import Html, clip, tag, text
from novelray.corpus.report.words import Words

_SENTENCES = (
    # the split: a book's own numbering
    (r"the numbering begins at (.+)", r"编号从 \1 开始"),
    (r"(.+) missing before (.+)", r"“\2”之前缺 \1"),
    (r"(\d+) numbers are missing in (\d+) places: (.+)", r"\2 处共缺 \1 个编号：\3"),
    (r"(.+) stands where (.+) is expected", r"应为 \2 之处是“\1”"),
    (r"(\d+) headings stand where other numbers are expected: (.+)", r"\1 个标题的编号与位置不符：\2"),
    (r"(\d+) headings stand twice: (.+)", r"\1 个标题出现两次：\2"),
    (r"(\d+) headings have no text: (.+)", r"\1 个标题之下没有正文：\2"),
    (r"(.+) stands twice", r"“\1”出现两次"),
    (r"(.+) stands again and again, as a running head does", r"“\1”反复出现，像是页眉"),
    (r"(.+) has no text", r"“\1”之下没有正文"),
    # augmentation: why a piece is rejected
    (r"too much like its source", "与原文太像"),
    (r"its meaning changed", "意思走样"),
    (r"in another language", "变成了别的语言"),
    (r"repeats itself", "自我重复"),
    (r"too short", "太短"),
    (r"already in the corpus", "语料中已有"),
    (r"in the held-out set", "出现在留出集中"),
    (r"over the budget", "超出份额"),
    (r"nothing to change", "无可改动"),
    (r"copies the corpus", "照抄语料"),
    # duplicates: why a book is kept
    (r"curated by people", "人工精选"),
    (r"more complete \((.+) against (.+) characters\)", r"更完整（\1 对 \2 个字符）"),
    (r"its chapters are told apart more surely \((.+) against (.+)\)", r"分章更有把握（\1 对 \2）"),
    (r"fewer unreadable places \((.+) against (.+)\)", r"无法解码之处更少（\1 对 \2）"),
    (r"in the script of most books here", "与多数书的字体（简或繁）相同"),
    (r"equal in all else, and first by name", "其余相当，按书名取先"),
    # labels: why one is used or not
    (r"never given", "从未用到"),
    (r"agreement not measured, and min_common: 0 asks for none", "未测一致性，min_common: 0 也不要求"),
    (r"no two annotators have (\d+) in common \(at most (\d+)\)", r"没有两人共同标注满 \1 处（最多 \2 处）"),
    (r"kappa is undefined: everyone gave everything the same value", "κ 无定义：所有人处处给出同一个值"),
    (r"mean kappa (\S+) is below (\S+)", r"平均 κ 为 \1，低于 \2"),
    (r"mean kappa (\S+)", r"平均 κ 为 \1"),
    (r"none: no majority", "没有多数意见"),
    (r"majority: (.+)", r"多数意见：\1"),
    (r"ground truth: (.+)", r"标准答案：\1"),
)
_TABLE = tuple((re.compile(english), chinese) for english, chinese in _SENTENCES)
LONGEST = 1_000  # characters; longer ones are not looked up


def told(sentence: Any, w: Words, limit: int = 600) -> Html:
    """A sentence in the page's language where it is known, else as it is, marked as English."""
    english = str(sentence if sentence is not None else "").strip()
    if w.language == "en" or not english:
        return text(clip(english, limit))
    if len(english) <= LONGEST:
        for pattern, chinese in _TABLE:
            match = pattern.fullmatch(english)
            if match:
                return text(clip(match.expand(chinese), limit))
    return tag("span", clip(english, limit), lang="en") if english.isascii() else text(clip(english, limit))

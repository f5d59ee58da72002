"""Normalisation that is safe for Chinese and for dialogue. Every change is counted by kind.

NFC and a table of our own; never NFKC, which turns ，！？ into ASCII, and never a mapper that turns “”「」 into `"`:
who speaks is in those marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable

DIALOGUE_MARKS = "“”‘’「」『』《》〈〉\"'"
"""Marks that no step may change or remove."""

_H = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK = _H + r"\u3001-\u301f\uff01-\uff5e“”‘’…—"

Step = tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]]

_WIDE = str.maketrans(",?!:;", "，？！：；")

# Runs of blanks are matched from their first character only: trying every one is quadratic on a long run.
STEPS: tuple[Step, ...] = (
    ("line_ends", re.compile("\r\n?|[\x0b\x0c\x1c-\x1e\x85\u2028\u2029]"), "\n"),
    ("control_characters", re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]"), ""),
    ("zero_width", re.compile("[\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\xad]"), ""),
    ("zero_width", re.compile(f"(?<=[{_H}\x20-\x7e])[\u200c\u200d]"), ""),
    ("special_spaces", re.compile("[\xa0\u2000-\u200a\u202f\u205f]"), " "),
    ("punctuation", re.compile(f"(?<=[{_CJK}])．"), "。"),
    (
        "punctuation",
        re.compile("[｡､﹐﹑﹒﹔﹕﹖﹗]"),
        lambda m: "。、，、。；：？！"["｡､﹐﹑﹒﹔﹕﹖﹗".index(m.group())],
    ),
    ("punctuation", re.compile(f"(?<=[{_H}])[,?!:;](?![A-Za-z0-9/])"), lambda m: m.group().translate(_WIDE)),
    ("punctuation", re.compile(f"(?<=[{_CJK}])(?:\\.{{3,}}|。{{3,}}|…{{3,}}|·{{3,}})"), "……"),
    ("punctuation", re.compile(f"(?<=[{_CJK}])-{{2,}}(?=[{_CJK}\\s])"), "——"),
    ("trailing_blanks", re.compile(r"(?<![ \t\u3000])[ \t\u3000]+(?=\n|\Z)"), ""),
    ("indentation", re.compile(f"(?m)^[ \\t\\u3000]+(?=[{_CJK}「『（])"), ""),
    ("blank_lines", re.compile(r"\n{3,}"), "\n\n"),
    ("outer_blanks", re.compile(r"\A\s+|(?<!\s)\s+\Z"), ""),
)


def clean(text: str) -> tuple[str, Counter[str]]:
    """The normalised text and how many changes of each kind were made."""
    changes: Counter[str] = Counter()
    if not unicodedata.is_normalized("NFC", text):
        composed = unicodedata.normalize("NFC", text)
        changes["nfc"] = max(1, abs(len(text) - len(composed)))
        text = composed
    for kind, pattern, replacement in STEPS:
        text, count = pattern.subn(replacement, text)
        changes[kind] += count
    return text, +changes

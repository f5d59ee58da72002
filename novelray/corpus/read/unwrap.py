"""Lines broken at a fixed width back to paragraphs, for Western and for Chinese text; verse and headings stay lines.

A break is soft when the next word would not have fitted on the line, as a typesetter or editor breaks. A text is
touched only where its line lengths show that it is wrapped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from novelray.corpus.native import compiled
from novelray.corpus.read.hyphens import mark_hyphens, settle

_native = compiled("lines")

NARROWEST, WIDEST = 40, 130  # columns between which a width is believed
FULL = 0.85  # share of the width that a soft break reaches with the next line's first word
SLACK = 12  # characters of a long word: lines that leave no more than this are full without looking further
ENDED = 0.6  # share of full lines that end a sentence, above which lines are paragraphs: wrapping breaks anywhere
HALF = 0.6  # share of the width above which a break inside a sentence is soft
ENOUGH = 0.6  # share of a block's breaks that are soft when it is prose
_CJK = re.compile(r"[\u3400-\u9fff\u3000-\u303f\uff00-\uffef]+")
_INDENT = (" ", "\t", "\u3000")
_EN_END, _EN_CLOSE = frozenset(".!?…"), "\"'’”)]"
_ZH_END = frozenset("。！？…」』”’：；—!?.．")
_HEADING = re.compile(
    r"[ \t\u3000]*(?:第[〇零一二三四五六七八九十百千两兩0-9 ]{1,9}[章回节節卷部集篇]|[*＊※]|[-=—]{3})"
)


def unwrap(text: str) -> tuple[str, Counter[str]]:
    """The text in paragraphs, and how many lines were joined (`lines_joined`, `hyphens_joined`)."""
    if "\n" not in text:
        return text, Counter()
    third = len(text) // 3
    sample = text[third : third + 20_000]
    if sum(map(len, _CJK.findall(sample))) > 0.3 * len(sample):
        return _unwrap_chinese(text)
    return _unwrap_western(text)


def _unwrap_western(text: str) -> tuple[str, Counter[str]]:
    end = len(text.rstrip("\n"))
    text, line_ends = text[:end], text[end:]
    plain = "\n".join(map(str.rstrip, text.split("\n"))) if " \n" in text or "\t\n" in text else text
    blocks = _blocks(plain)
    width = _width(blocks)
    if not width:
        return text + line_ends, Counter()
    done = Counter[str]()
    joined = [_join(block, width, done) if "\n" in block else block for block in blocks]
    return settle("\n\n".join(joined), done) + line_ends, done


def _blocks(text: str) -> list[str]:
    """Paragraphs: between blank lines, or (in a text without them) from one indented line to the next."""
    blocks = text.split("\n\n")
    lines = text.count("\n")
    if len(blocks) * 12 < lines:
        indented = re.sub(r"\n(?=[ \t]{1,8}\S)", "\n\n", text)
        if lines // 30 < indented.count("\n") - lines < lines * 2 // 3:
            return re.sub(r"(?m)^[ \t]+", "", indented).split("\n\n")
    return blocks


def _width(blocks: Sequence[str]) -> int:
    """Columns at which a text is wrapped; 0 where it is not. Judged by the lines that another one follows at once."""
    inner = [line for b in blocks[:: 1 + len(blocks) // 500] for line in b.split("\n")[:-1] if line]
    if len(inner) < 8:
        return 0
    inner.sort(key=len)
    width = len(inner[len(inner) * 19 // 20])
    full = [line for line in inner if 0.75 * width <= len(line) <= width]
    ended = sum(line.rstrip(_EN_CLOSE)[-1:] in _EN_END for line in full)
    is_wrapped = len(full) >= 0.5 * len(inner) and ended <= ENDED * len(full)
    return width if NARROWEST <= width <= WIDEST and is_wrapped else 0


def _join(block: str, width: int, done: Counter[str]) -> str:
    """A block with its soft breaks joined."""
    if "-\n" in block or "—\n" in block or "\u00ad\n" in block:
        block = mark_hyphens(block)
    lines = block.split("\n")
    sizes = list(map(len, lines))
    if min(sizes[:-1]) >= width - SLACK and "\n " not in block and "\n\t" not in block:
        done["lines_joined"] += len(lines) - 1
        return block.replace("\n", " ")
    soft = [_is_soft(lines[i], lines[i + 1], width) for i in range(len(lines) - 1)]
    if not any(soft):
        return block
    prose = sum(soft) >= ENOUGH * len(soft)
    parts = [lines[0]]
    for i, line in enumerate(lines[1:]):
        if soft[i] or (prose and sizes[i] >= HALF * width and not line.startswith(_INDENT)):
            parts += [" ", line.lstrip()]
            done["lines_joined"] += 1
        else:
            parts += ["\n", line]
    return "".join(parts)


def _is_soft(line: str, following: str, width: int) -> bool:
    if len(line) >= width - SLACK and following[:1] == " " and not following[1:2].isspace():
        return True  # the space that stood at the break; an indented paragraph has more of them
    if following.startswith(_INDENT) or not following:
        return False
    first = following.split(" ", 1)[0]
    if len(line) + 1 + len(first) > FULL * width:
        return True
    return len(line) >= HALF * width and following[0].islower()


def _unwrap_chinese(text: str) -> tuple[str, Counter[str]]:
    width = _chinese_width(_sizes(text))
    if not width:
        return text, Counter()
    lines = text.split("\n")
    step = _double_spaced(lines)
    indented = sum(line.startswith(_INDENT) for line in lines) * 40 > len(lines)
    done: Counter[str] = Counter()
    parts: list[list[str]] = []
    previous = ""  # the line before, while a paragraph may go on
    for line in lines if not step else [line for line in lines if line.strip()]:
        bare = line.rstrip()
        goes_on = bool(previous) and bool(bare) and _goes_on(previous, bare, width, indented)
        if goes_on:
            parts[-1].append(bare.lstrip())
            done["lines_joined"] += 1
        else:
            parts.append([bare])
        previous = bare
    return ("\n\n" if step else "\n").join("".join(part) for part in parts), done


def _double_spaced(lines: Sequence[str]) -> bool:
    """Whether each line, also inside a paragraph, is followed by a blank one."""
    filled = [i for i, line in enumerate(lines) if line.strip()]
    return len(filled) > 8 and sum(b - a == 2 for a, b in pairwise(filled)) > 0.9 * len(filled)


def _sizes(text: str) -> dict[int, int]:
    """How many lines there are of each length, blanks at their ends not counted, and no line of blanks alone."""
    if _native is not None:
        found: dict[int, int] = _native.sizes(text)
        return found
    return Counter(size for line in text.split("\n") if (size := len(line.rstrip())))


def _chinese_width(sizes: dict[int, int]) -> int:
    """Characters per line of a text with a fixed width, else 0: the longest lines are then nearly all alike."""
    total = sum(sizes.values())
    if total < 8:
        return 0
    width = max(sizes, key=lambda s: (sizes[s] if s >= 12 else 0, s))
    near = sum(sizes.get(s, 0) for s in range(width - 2, width + 3))
    longer = sum(n for s, n in sizes.items() if s > width + 2)
    return width if near >= 0.4 * total and longer <= 0.02 * total and width <= WIDEST else 0


def _goes_on(line: str, following: str, width: int, indented: bool) -> bool:
    if len(line) < width - 2 or following.startswith(_INDENT) or _HEADING.match(following) or _HEADING.match(line):
        return False
    return indented or len(line) >= width or line[-1] not in _ZH_END

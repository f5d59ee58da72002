"""Chapters into another language and back, sentence by sentence.

Quotation marks and line ends stay where they are: what stands between them is translated. A sentence that comes back
as no plausible rendering (far shorter or longer, a loop, another script) stays as it was.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from novelray.corpus.language import language_of

Translate = Callable[[Sequence[str]], list[str]]

_MARKS = re.compile(r"([“”「」『』\"]+|\n\s*|——)")
_ZH = re.compile(r"[^。！？!?；;…]+[。！？!?；;…]*|[。！？!?；;…]+")
_EN = re.compile(r"(?<=[.!?;])(?<!\bMr\.)(?<!\bMrs\.)(?<!\bDr\.)(?<!\bSt\.)\s+")
_CLAUSE = re.compile(r"[^，,、；;：:]+[，,、；;：:]*|[，,、；;：:]+")
_LETTER = re.compile(r"\w")
LONGER, SHORTER = 3.0, 0.3
LEAST = 20  # characters from which a sentence's loops and script are looked at


def back_translate(
    scenes: Sequence[str], language: str, blank: bool, forward: Translate, back: Translate, limit: int
) -> tuple[list[str], int]:
    """The scenes as they come back, and how many of their sentences stayed as they were.

    `limit`: characters of the longest part of a sentence that is translated. `blank`: lines of a paragraph are joined.
    """
    pieces = [_pieces(_unwrapped(scene) if blank else scene, language, limit) for scene in scenes]
    sentences = list(dict.fromkeys(s for scene in pieces for s, translated in scene if translated))
    returned = dict(zip(sentences, back(forward(sentences)), strict=True)) if sentences else {}
    good = {s: r.strip() for s, r in returned.items() if plausible(s, r.strip())}
    kept = sum(translated and s not in good for scene in pieces for s, translated in scene)
    return ["".join(good.get(s, s) if t else s for s, t in scene) for scene in pieces], kept


def plausible(sentence: str, returned: str) -> bool:
    """Whether a text can be a rendering of a sentence, by its length, its script and its loops."""
    if not returned or not SHORTER * len(sentence) <= len(returned) + 4 or len(returned) > LONGER * len(sentence) + 8:
        return False
    if len(sentence) < LEAST:
        return True
    same = language_of(returned) == language_of(sentence) or language_of(sentence) == "und"
    return same and not (_loops(returned) and not _loops(sentence))


def _loops(text: str) -> bool:
    grams = [text[i : i + 3] for i in range(len(text) - 2)]
    return 2 * len(set(grams)) < len(grams)


def _unwrapped(text: str) -> str:
    return re.sub(r"(?<=\S)\n(?=\S)", " ", text)


def _pieces(text: str, language: str, limit: int) -> list[tuple[str, bool]]:
    """The text in order, as (part, whether it is translated)."""
    found: list[tuple[str, bool]] = []
    for number, part in enumerate(_MARKS.split(text)):
        if number % 2:
            found.append((part, False))
            continue
        for sentence, gap in _sentences(part, language):
            for bit in [sentence] if len(sentence) <= limit else _CLAUSE.findall(sentence):
                core = bit.strip()
                before, _, after = bit.partition(core) if core else (bit, "", "")
                found += [(before, False), (core, len(core) <= limit and _LETTER.search(core) is not None)]
                found.append((after, False))
            found.append((gap, False))
    return [(part, translated) for part, translated in found if part]


def _sentences(part: str, language: str) -> list[tuple[str, str]]:
    """(sentence, space after it) pairs that make up the part."""
    if language in ("zh", "ja"):
        return [(s, "") for s in _ZH.findall(part)]
    found, start = [], 0
    for gap in _EN.finditer(part):
        found.append((part[start : gap.start()], gap.group()))
        start = gap.end()
    return [*found, (part[start:], "")]

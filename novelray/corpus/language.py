"""The language of a chapter, by script and, among Latin-script languages, by the words that hold sentences together."""

from __future__ import annotations

from collections import Counter
from functools import cache

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.alphabet import SIZE, codes, looked_up
from novelray.corpus.native import compiled

_native = compiled("letters")

SAMPLE = 8_000  # characters whose script is looked at
LATIN_SAMPLE = 5_000  # characters whose words are counted
_SCRIPTS: dict[str, tuple[tuple[int, int], ...]] = {  # ranges of code points
    "kana": ((0x3040, 0x30FF),),
    "hangul": ((0xAC00, 0xD7AF),),
    "hanzi": ((0x3400, 0x9FFF),),
    "cyrillic": ((0x0400, 0x04FF),),
    "latin": ((0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F)),
}
_SENTENCE_WORDS = {
    "en": "the and of to in that was he it his with had for you not her is as but at she",
    "fr": "le la les et de des un une que qui dans il elle pas est pour ne sur vous",
    "de": "der die und das ist nicht ein eine er sie mit den von zu auf dem war ich",
    "es": "el los las y que en una por con no se su para como pero más era del",
    "it": "il che di e la un una non per con del della gli era si ma come",
}
_FUNCTION_WORDS = {
    language: [word.encode("latin-1") for word in words.split(" ")] for language, words in _SENTENCE_WORDS.items()
}
_LETTERS = frozenset([*range(0x61, 0x7B), *range(0xE0, 0x100)])
_WORDS_ONLY = bytes(code if code in _LETTERS else 0x20 for code in range(256))


def language_of(text: str) -> str:
    """`zh`, `en`, `ja`, `ko`, `ru`, `fr`, `de`, `es`, `it`, or `und` when nothing is clear."""
    text = text[:SAMPLE]
    counts = _script_counts(text)
    # A Hanzi carries about what three letters of an alphabet do.
    weight = {**counts, "hanzi": 3 * counts["hanzi"]}
    total = sum(weight.values())
    if not total:
        return "und"
    if counts["kana"] > 0.1 * (counts["hanzi"] + counts["kana"]) and counts["kana"] * 3 > 0.2 * total:
        return "ja"
    script = max(weight, key=lambda name: weight[name])
    return {"hanzi": "zh", "hangul": "ko", "cyrillic": "ru", "kana": "ja"}.get(script) or _latin(text)


def _script_counts(text: str) -> dict[str, int]:
    if _native is not None:
        return dict(zip(_SCRIPTS, _native.counts(text, _script_table(), len(_SCRIPTS) + 1)[1:], strict=True))
    counts = np.bincount(looked_up(_script_table(), codes(text)), minlength=len(_SCRIPTS) + 1)
    return dict(zip(_SCRIPTS, counts[1:].tolist(), strict=True))


@cache
def _script_table() -> NDArray[np.uint8]:
    """The script of each code point: its place in _SCRIPTS, from 1; 0 for none of them."""
    scripts = np.zeros(SIZE, np.uint8)
    for number, ranges in enumerate(_SCRIPTS.values(), 1):
        for low, high in ranges:
            scripts[low : high + 1] = number
    return scripts


def _latin(text: str) -> str:
    # What Latin-1 lacks becomes "?", and that a blank: only the letters that these languages' words are made of count.
    words = Counter(text[:LATIN_SAMPLE].lower().encode("latin-1", "replace").translate(_WORDS_ONLY).split())
    times = words.get  # a Counter's own look-up costs three times as much where there is nothing
    score = {name: sum(times(w, 0) for w in function) for name, function in _FUNCTION_WORDS.items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] >= 0.05 * max(1, words.total()) else "und"

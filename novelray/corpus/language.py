"""The language of a chapter, by script and, among Latin-script languages, by the words that hold sentences together."""

from __future__ import annotations

import re
from collections import Counter

SAMPLE = 20_000
_SCRIPTS = (
    ("kana", re.compile(r"[\u3040-\u30ff]")),
    ("hangul", re.compile(r"[\uac00-\ud7af]")),
    ("hanzi", re.compile(r"[\u3400-\u9fff]")),
    ("cyrillic", re.compile(r"[\u0400-\u04ff]")),
    ("latin", re.compile(r"[A-Za-z\u00c0-\u024f]")),
)
_SENTENCE_WORDS = {
    "en": "the and of to in that was he it his with had for you not her is as but at she",
    "fr": "le la les et de des un une que qui dans il elle pas est pour ne sur vous",
    "de": "der die und das ist nicht ein eine er sie mit den von zu auf dem war ich",
    "es": "el los las y que en una por con no se su para como pero más era del",
    "it": "il che di e la un una non per con del della gli era si ma come",
}
_FUNCTION_WORDS = {language: words.split(" ") for language, words in _SENTENCE_WORDS.items()}
_WORD = re.compile(r"[a-zà-ÿ]+")


def language_of(text: str) -> str:
    """`zh`, `en`, `ja`, `ko`, `ru`, `fr`, `de`, `es`, `it`, or `und` when nothing is clear."""
    text = text[:SAMPLE]
    counts = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS}
    # A Hanzi carries about what three letters of an alphabet do.
    weight = {**counts, "hanzi": 3 * counts["hanzi"]}
    total = sum(weight.values())
    if not total:
        return "und"
    if counts["kana"] > 0.1 * (counts["hanzi"] + counts["kana"]) and counts["kana"] * 3 > 0.2 * total:
        return "ja"
    script = max(weight, key=lambda name: weight[name])
    return {"hanzi": "zh", "hangul": "ko", "cyrillic": "ru", "kana": "ja"}.get(script) or _latin(text)


def _latin(text: str) -> str:
    words = Counter(_WORD.findall(text.lower()))
    score = {name: sum(words[w] for w in function) for name, function in _FUNCTION_WORDS.items()}
    best = max(score, key=lambda name: score[name])
    return best if score[best] >= 0.05 * max(1, words.total()) else "und"

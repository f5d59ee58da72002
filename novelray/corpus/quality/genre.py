"""A book's genre: what its metadata say, or a guess from its words, marked as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from novelray.corpus.quality.features import split_words
from novelray.corpus.quality.words import GENRES

PIECES = 40
PIECE = {"zh": 800, "en": 2_500}
"""Characters that are read from the middle of each of up to PIECES chapters."""


@dataclass(frozen=True)
class Genre:
    """`guessed`: from the text; `confidence` is then how far the best stands above the second, in [0, 1], and at most
    0.5, since words are weak evidence."""

    name: str
    guessed: bool
    confidence: float


def genre_of(stated: str, texts: Sequence[str], language: str) -> Genre:
    """The genre of a book from its metadata's (`stated`), or from its chapters' texts. "" where nothing points."""
    if stated:
        return Genre(stated, False, 1.0)
    if language not in PIECE or not texts:
        return Genre("", True, 0.0)
    step, length = max(1, len(texts) // PIECES), PIECE[language]
    read = "\n".join(text[len(text) // 2 : len(text) // 2 + length] for text in texts[::step][: PIECES + 1])
    words = Counter(split_words(read)) if language == "en" else None
    scores = {name: _score(read, listed, words) for name, listed in GENRES[language].items()}
    best, second = sorted(scores, key=lambda name: (-scores[name], name))[:2]
    if not scores[best]:
        return Genre("", True, 0.0)
    return Genre(best, True, round(0.5 * (1 - scores[second] / scores[best]), 3))


def _score(read: str, listed: Sequence[str], words: Counter[bytes] | None) -> float:
    """How often a genre's words occur, the square root of each, so that no single word decides."""
    counts = [read.count(word) for word in listed] if words is None else [words[word.encode()] for word in listed]
    return float(np.sqrt(counts).sum() / len(listed) ** 0.5)

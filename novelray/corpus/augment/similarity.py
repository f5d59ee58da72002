"""How much a piece still says what its source says: cosine of TF-IDF vectors over hashed character n-grams.

Chinese by pairs of characters, alphabets by runs of four. Document frequencies are those of the chapters that stand in
the same file, so that a task needs nothing but its file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.augment.ngrams import hashes

BUCKET_BITS = 16
_SHIFT = np.uint64(64 - BUCKET_BITS)
_SENTENCE = re.compile(r"[^。！？!?…\n]*(?:[。！？!?…\n]+|$)")
_IDEOGRAPHIC = ("zh", "ja", "ko")
_LOG = np.log1p(np.arange(1 << 12)).astype(np.float32)
LEAST_PARAGRAPHS = 4


class Measure(Protocol):
    """The cosine of two texts' meanings, -1 to 1."""

    def __call__(self, one: str, other: str, language: str) -> float: ...


class Tfidf:
    """TF-IDF with the document frequencies of the texts it was fitted on, for each language apart."""

    def __init__(self, texts: Iterable[tuple[str, str]]) -> None:
        """`texts`: (text, language) pairs, each a document."""
        documents: Counter[str] = Counter()
        seen: dict[str, NDArray[np.int32]] = {}
        for text, language in texts:
            documents[language] += 1
            seen.setdefault(language, np.zeros(1 << BUCKET_BITS, np.int32))
            seen[language] += _counts(text, language) > 0
        self._weights = {
            language: (np.log((1 + documents[language]) / (1 + np.maximum(found, 1))) + 1).astype(np.float32)
            for language, found in seen.items()
        }

    def __call__(self, one: str, other: str, language: str) -> float:
        a, b = self._vector(one, language), self._vector(other, language)
        norm = float(np.linalg.norm(a) * np.linalg.norm(b))
        return min(1.0, float(a @ b) / norm) if norm else 0.0

    def _vector(self, text: str, language: str) -> NDArray[np.float32]:
        weights = self._weights.get(language, np.float32(1))
        return np.asarray(_LOG[np.minimum(_counts(text, language), len(_LOG) - 1)] * weights, np.float32)


def _counts(text: str, language: str) -> NDArray[np.int64]:
    found = hashes(text, 2 if language in _IDEOGRAPHIC else 4) >> _SHIFT
    return np.bincount(found.astype(np.int64), minlength=1 << BUCKET_BITS)


def copied(piece: Sequence[str], source: Sequence[str]) -> float:
    """Share of the pairs of neighbouring paragraphs of a piece that stand so in its source, 0 to 1.

    Of texts with few paragraphs, pairs of sentences. 1: an unchanged copy.
    """
    if min(len(piece), len(source)) < LEAST_PARAGRAPHS:
        piece, source = _sentences(piece), _sentences(source)
    there = set(_pairs(source))
    found = _pairs(piece)
    return sum(pair in there for pair in found) / len(found) if found else float(list(piece) == list(source))


def _pairs(parts: Sequence[str]) -> list[tuple[str, str]]:
    return list(pairwise(parts))


def _sentences(paragraphs: Sequence[str]) -> list[str]:
    return [s for p in paragraphs for s in _SENTENCE.findall(p) if s.strip()]

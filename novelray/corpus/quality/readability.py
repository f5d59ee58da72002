"""How hard a chapter is to read: long sentences and a varied vocabulary, the two halves of most readability formulas.

- Sentence length: the logarithm of the mean number of letters between two sentence ends.
- Variety: the mean share of different units in stretches of WINDOW units (the segmental type-token ratio of Johnson,
  1944), which does not depend on a chapter's length as the plain ratio does. Units are characters where words have no
  spaces between them, else words.

Both are made comparable within each language (mean 0, deviation 1 over its chapters), and difficulty is their mean: it
ranks the chapters of one corpus and says nothing about other corpora. What is not seen: rare words, allusions, plot.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WINDOW = 200
"""Units of a stretch whose variety is measured; a shorter text is one stretch."""

WITHOUT_SPACES = frozenset({"zh", "ja"})
_SENTENCE_END = re.compile(r"[。！？!?…．.]+|\n\s*\n")
_LETTER, _WORD = re.compile(r"\w"), re.compile(r"\w+")


@dataclass(frozen=True)
class Readability:
    """The two measures of one chapter."""

    language: str
    sentence: float
    variety: float


def readability(text: str, language: str) -> Readability:
    """The measures of a text; 0 for one without letters."""
    lengths = [len(_LETTER.findall(sentence)) for sentence in _SENTENCE_END.split(text)]
    lengths = [length for length in lengths if length]
    sentence = math.log(sum(lengths) / len(lengths)) if lengths else 0.0
    units = (_LETTER if language in WITHOUT_SPACES else _WORD).findall(text.lower())
    return Readability(language, sentence, _variety(units))


def difficulties(chapters: Sequence[Readability]) -> list[float]:
    """Difficulty of each chapter among all of these."""
    languages = np.array([c.language for c in chapters])
    measures = np.array([[c.sentence, c.variety] for c in chapters]).reshape(-1, 2)
    found = np.zeros(len(chapters))
    for language in dict.fromkeys(languages.tolist()):
        mine = languages == language
        found[mine] = _standard(measures[mine]).mean(axis=1)
    return [float(value) for value in found]


def _variety(units: Sequence[str]) -> float:
    whole = [units[start : start + WINDOW] for start in range(0, len(units) - WINDOW + 1, WINDOW)] or [units]
    return sum(len(set(stretch)) / max(1, len(stretch)) for stretch in whole) / len(whole)


def _standard(values: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1 in each column; a column in which all are alike becomes 0."""
    spread = values.std(axis=0)
    centred: np.ndarray = (values - values.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)
    return centred

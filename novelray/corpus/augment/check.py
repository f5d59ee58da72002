"""Whether a piece is kept: it still means what its source means, and is no copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from novelray.corpus.augment.ngrams import repetition
from novelray.corpus.language import language_of
from novelray.recipe.augment import AugmentMethod, MethodName

MORE_REPETITION = 0.1  # a translation that repeats itself by so much more than its source has run into a loop


@dataclass(frozen=True)
class Limits:
    """Between which similarities (cosine) a piece is kept, and how much of it may stand in its source just so."""

    min_similarity: float
    max_similarity: float
    max_copied: float


TFIDF_LIMITS: dict[MethodName, Limits] = {
    "reorder": Limits(0.95, 1.0, 0.95),
    "synonyms": Limits(0.7, 0.998, 0.95),
    "back_translation": Limits(0.55, 0.95, 0.5),
    "synthetic": Limits(0.06, 1.0, 0.1),
}
"""Two chapters of one novel have at most 0.52 in English and 0.35 in Chinese (measured on five novels). 300 characters
of what really goes on from half a chapter have 0.07 and 0.02 at least, of another book 0.12 and 0.04 at most."""

LEAST_IN_IDEOGRAPHS: dict[MethodName, float] = {"back_translation": 0.35, "synthetic": 0.03}
EMBEDDING_LIMITS: dict[MethodName, Limits] = {
    "reorder": Limits(0.9, 1.0, 0.95),
    "synonyms": Limits(0.85, 1.0, 0.95),
    "back_translation": Limits(0.75, 1.0, 0.5),
    "synthetic": Limits(0.3, 1.0, 0.1),
}


def limits_of(method: AugmentMethod, embedding: bool, language: str) -> Limits:
    """A method's limits: the recipe's, and where it names none those of the measure and the language."""
    default = (EMBEDDING_LIMITS if embedding else TFIDF_LIMITS)[method.method]
    if method.method in LEAST_IN_IDEOGRAPHS and not embedding and language in ("zh", "ja"):
        default = replace(default, min_similarity=LEAST_IN_IDEOGRAPHS[method.method])

    def chosen(own: float | None, other: float) -> float:
        return other if own is None else own

    return Limits(
        chosen(method.min_similarity, default.min_similarity),
        chosen(method.max_similarity, default.max_similarity),
        chosen(method.max_copied, default.max_copied),
    )


def fault_of_copy(similarity: float, copied: float, limits: Limits) -> str:
    """Why a piece made from a chapter is rejected; "" when it is not."""
    return "too much like its source" if copied > limits.max_copied else fault_of_meaning(similarity, limits)


def fault_of_meaning(similarity: float, limits: Limits) -> str:
    """Why a piece is rejected for what it says, against its source; "" when it is not."""
    if similarity > limits.max_similarity:
        return "too much like its source"
    return "its meaning changed" if similarity < limits.min_similarity else ""


def fault_of_translation(text: str, source: str, language: str) -> str:
    """Why a chapter that came back from translation is no text; "" when it is one."""
    if language_of(text) != language:
        return "in another language"
    loops = repetition(text, language) > repetition(source, language) + MORE_REPETITION
    return "repeats itself" if loops else ""


def fault_of_story(text: str, language: str, least: int, max_repetition: float) -> str:
    """Why a story is rejected for what it is; "" when it is not. `least`: characters."""
    if len(text) < max(1, least):
        return "too short"
    if language_of(text) != language:
        return "in another language"
    return "repeats itself" if repetition(text, language) > max_repetition else ""


def share_found(sketch: Sequence[int], found: set[int]) -> float:
    """Share of a story's sketch that was found in the corpus; a story too short for a sketch counts as found."""
    return sum(h in found for h in sketch) / len(sketch) if sketch else 1.0

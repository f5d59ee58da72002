"""How complete a story's arc is: setup, conflict, climax and resolution, each between 0 and 1, from the text alone.

A book is seen through its chapters in order. Headings and chapter numbers are not looked at.

- continuity: how far neighbouring chapters have more in common than chapters far apart. Where they do not (a
  collection, or chapters out of order) there is no thread that an arc could follow; scores marked * are cut by it.
- setup: whether the opening introduces more than the other chapters do, and how early in the book that is first met
  which later chapters come back to;
- conflict: how much of the middle is tense, and how far it rises above the opening *;
- climax: whether the tensest stretch of the later half outweighs that of the earlier half *;
- resolution: whether the end winds up (words of closing, against the ends of the other chapters), comes back to the
  opening *, is calmer than the climax *, and, in a book whose chapters promise the next one, does not.

"How early" grows with the length of a text, and nothing else does; it is an eighth of the total. A story of few
chapters is seen through stretches of equal length in their place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.quality.features import Features, resampled

POINTS = 40
"""Points of a book's curve of tension."""

THREAD = 0.3
"""Continuity from which the chapters are taken to follow one thread."""

CHANCE = 0.5
"""Standard deviation of the continuity of unrelated chapters, times the square root of their number."""

FEWEST = 4
"""Chapters that an arc over chapters needs."""

USUAL_RATE = 10.0
"""Words of introducing or winding up per thousand at which a chapter has half the score."""

PARTS = ("setup", "conflict", "climax", "resolution")
SCORES = (*PARTS, "continuity", "total")

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Arc:
    """Scores in [0, 1]. `total` is the mean of the four parts, weighed with `continuity`."""

    setup: float
    conflict: float
    climax: float
    resolution: float
    continuity: float
    total: float
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def book_arc(chapters: Sequence[Features]) -> Arc:
    """The arc of a book from its chapters in order, at least four."""
    like = _likeness(np.stack([c.terms for c in chapters]))
    curve = book_curve(chapters)
    continuity = _continuity(like)
    thread = min(1.0, continuity / THREAD)
    parts = {
        "setup": {"introduces": _standing([c.opening for c in chapters], 0), "early": _early(chapters)},
        "conflict": _conflict(curve, thread),
        "climax": {"late": thread * _late(curve)},
        "resolution": _resolution(like, curve, chapters, thread),
    }
    return _arc(parts, continuity, list(curve))


def chapter_arc(chapter: Features) -> Arc:
    """The arc inside one chapter, from its SEGMENTS points. A chapter of a novel need not have a whole one."""
    curve, quarter = chapter.tension, len(chapter.tension) // 4
    closing = chapter.closing / (chapter.closing + USUAL_RATE)
    parts = {
        "setup": {"introduces": chapter.opening / (chapter.opening + USUAL_RATE)},
        "conflict": {
            "level": _level(float(curve.mean())),
            "rise": _more(float(curve[quarter:].mean()), float(curve[:quarter].mean())),
        },
        "climax": {"late": _late(curve)},
        "resolution": {"closed": 0.0} if chapter.hook else {"closing": closing, "calms": _calms(curve)},
    }
    return _arc(parts, 1.0, [])


def story_arc(chapters: Sequence[Features], pieces: Sequence[Features] = ()) -> Arc:
    """The arc of a book of any length from its chapters, or where they are few from its `pieces`.

    Without pieces, the mean of the arcs inside few chapters, by length.
    """
    if len(chapters) >= FEWEST:
        return book_arc(chapters)
    if len(pieces) >= FEWEST:
        return book_arc(pieces)
    arcs, sizes = [chapter_arc(c) for c in chapters], [max(1, c.size) for c in chapters]
    setup, conflict, climax, resolution, continuity, total = (
        round(float(np.average([getattr(a, name) for a in arcs], weights=sizes)), 4) for name in SCORES
    )
    detail = arcs[0].detail if len(arcs) == 1 else {}
    return Arc(setup, conflict, climax, resolution, continuity, total, detail)


def _arc(parts: Mapping[str, Mapping[str, float]], continuity: float, curve: Sequence[float]) -> Arc:
    scores = {part: round(float(np.mean(list(found.values()))), 4) for part, found in parts.items()}
    detail: dict[str, Any] = {
        f"{part}_{name}": round(v, 4) for part, found in parts.items() for name, v in found.items()
    }
    if len(curve):
        detail["tension"] = [round(float(point), 5) for point in curve]
    total = round(float(np.mean(list(scores.values()))), 4)
    return Arc(
        scores["setup"], scores["conflict"], scores["climax"], scores["resolution"], round(continuity, 4), total, detail
    )


def book_curve(chapters: Sequence[Features]) -> Vector:
    """Tension along the book, POINTS of equal length, each smoothed with its neighbours."""
    padded = np.pad(resampled(chapters, POINTS), 1, mode="edge")
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def _likeness(terms: NDArray) -> NDArray[np.float32]:
    """(chapters, chapters): TF-IDF cosine over terms in two chapters or more, less what each chapter has with all."""
    n = len(terms)
    spread = (terms > 0).sum(0)
    chosen = spread >= 2
    weight = np.sqrt(np.log((n + 0.5) / spread[chosen])).astype(np.float32)
    rows = np.sqrt(terms[:, chosen].astype(np.float32)) * weight
    rows /= np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9
    like = rows @ rows.T
    np.fill_diagonal(like, 0)
    usual = like.sum(1) / (n - 1)
    return np.asarray(like - usual[:, None] - usual[None, :], np.float32)


def _continuity(like: NDArray[np.float32]) -> float:
    """How far the likeness of neighbours stands above that of other pairs, from 0 (as any pair) to 1 (always more)."""
    n = len(like)
    pairs = like.copy()
    np.fill_diagonal(pairs, np.nan)
    near = np.diagonal(pairs, 1)
    above = (np.sum(pairs[:-1] < near[:, None], 1) + np.sum(pairs[1:] < near[:, None], 1)) / (2 * (n - 2))
    return float(np.clip(2 * above.mean() - 1 - CHANCE / np.sqrt(n - 1), 0, 1))


def _early(chapters: Sequence[Features]) -> float:
    """How early terms are first met that come back: 1 for all in the first chapter, 0 for the middle of the book."""
    terms, sizes = np.stack([c.terms for c in chapters]) > 0, np.array([max(1, c.size) for c in chapters], np.float64)
    middles = (np.cumsum(sizes) - sizes / 2) / sizes.sum()
    back = terms.sum(0) >= 2
    return float(np.clip(1 - 2 * middles[terms[:, back].argmax(0)].mean(), 0, 1)) if back.any() else 0.0


def _conflict(curve: Vector, thread: float) -> dict[str, float]:
    middle, opening = curve[POINTS // 10 : -POINTS // 10], curve[: POINTS // 10]
    return {"level": _level(float(middle.mean())), "rise": thread * _more(float(middle.mean()), float(opening.mean()))}


def _late(curve: Vector) -> float:
    half = len(curve) // 2
    return _more(float(curve[half:].max()), float(curve[:half].max()))


def _resolution(
    like: NDArray[np.float32], curve: Vector, chapters: Sequence[Features], thread: float
) -> dict[str, float]:
    n = len(like)
    edge = max(1, n // 20)
    to_start = like[:, :edge].mean(1)
    parts = {
        "closing": _standing([c.closing for c in chapters], -1),
        "returns": thread * float(np.mean(to_start[n // 4 : -edge] < to_start[-edge:].mean())),
        "calms": thread * _calms(curve),
    }
    if np.mean([c.hook for c in chapters[:-1]]) >= 0.5:  # the book promises a next chapter as a rule
        parts["closed"] = 0.0 if chapters[-1].hook else 1.0
    return parts


def _calms(curve: Vector) -> float:
    """How far the end lies below the tensest point of the later half."""
    return float(np.clip(1 - curve[-1] / (curve[len(curve) // 2 :].max() + 1e-9), 0, 1))


def _standing(values: list[float], index: int) -> float:
    """Where one value stands among all, from 0 to 1, by its standard score."""
    spread = float(np.std(values))
    score = (values[index] - float(np.mean(values))) / spread if spread else 0.0
    return float(1 / (1 + np.exp(-score)))


def _more(value: float, than: float) -> float:
    """0.5 where both are equal, towards 1 the more the first outweighs the second."""
    return value * value / (value * value + than * than) if value or than else 0.0


def _level(value: float) -> float:
    """A share of tense words: 0 for none, 0.5 at two in a hundred."""
    return value / (value + 0.02)

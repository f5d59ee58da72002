"""How complete a story's arc is: setup, conflict, climax and resolution, each between 0 and 1, from the text alone.

A book is seen through its chapters in order. Headings and chapter numbers are not looked at.

- continuity: how far neighbouring chapters have more in common than chapters far apart. Where they do not (a
  collection, or chapters out of order) there is no thread that an arc could follow; scores marked * are cut by it.
- setup: how early in the book that is first met which later chapters come back to;
- conflict: how much of the middle is tense, and how far it rises above the opening *;
- climax: whether the tensest stretch of the later half outweighs that of the earlier half *;
- resolution: whether the end winds up (words of closing, against the ends of the other chapters), brings little that is
  new, comes back to the opening *, is calmer than the climax *, and, in a book whose chapters promise the next one,
  does not. Setup and "little new" grow with the length of a text; the benchmark says how much hangs on that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.quality.features import Features

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

SCORES = ("setup", "conflict", "climax", "resolution", "continuity", "total")

MOST = 2048
"""Chapters of longer books are joined with their neighbours until there are at most this many."""

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
    terms, sizes = _joined(chapters)
    like = _likeness(terms)
    curve = book_curve(chapters)
    continuity = _continuity(like)
    thread = min(1.0, continuity / THREAD)
    arrivals, known = _arrivals(terms, sizes)
    parts = {
        "setup": {"early": float(np.clip(1 - 2 * arrivals.mean(), 0, 1)) if arrivals.size else 0.0},
        "conflict": _conflict(curve, thread),
        "climax": _climax(curve, thread),
        "resolution": _resolution(like, curve, chapters, thread) | {"known": known},
    }
    detail: dict[str, Any] = {f"{part}_{name}": round(v, 4) for part, d in parts.items() for name, v in d.items()}
    detail["tension"] = [round(float(x), 5) for x in curve]
    scores: dict[str, Any] = {part: round(float(np.mean(list(d.values()))), 4) for part, d in parts.items()}
    total = round(float(np.mean(list(scores.values()))), 4)
    return Arc(**scores, continuity=round(continuity, 4), total=total, detail=detail)


def chapter_arc(chapter: Features) -> Arc:
    """The arc inside one chapter, from its SEGMENTS stretches. A chapter of a novel need not have a whole one."""
    curve, quarter = chapter.tension, len(chapter.tension) // 4
    late = _more(float(curve[len(curve) // 2 :].max()), float(curve[: len(curve) // 2].max()))
    parts = {
        "setup": chapter.opening / (chapter.opening + USUAL_RATE),
        "conflict": (_level(float(curve.mean())) + _more(float(curve[quarter:].mean()), float(curve[:quarter].mean())))
        / 2,
        "climax": late,
        "resolution": 0.0 if chapter.hook else (chapter.closing / (chapter.closing + USUAL_RATE) + _calms(curve)) / 2,
    }
    total = float(np.mean(list(parts.values())))
    return Arc(**{name: round(score, 4) for name, score in parts.items()}, continuity=1.0, total=round(total, 4))


def story_arc(chapters: Sequence[Features]) -> Arc:
    """The arc of a book of any length: of fewer than FEWEST chapters, the mean of the arcs inside them, by length."""
    if len(chapters) >= FEWEST:
        return book_arc(chapters)
    arcs, sizes = [chapter_arc(c) for c in chapters], [max(1, c.size) for c in chapters]
    scores: dict[str, Any] = {
        name: round(float(np.average([getattr(a, name) for a in arcs], weights=sizes)), 4) for name in SCORES
    }
    return Arc(**scores, detail={"chapters": len(chapters)})


def book_curve(chapters: Sequence[Features]) -> Vector:
    """Tension along the book, POINTS of equal length, each smoothed with its neighbours."""
    values = np.concatenate([c.tension for c in chapters])
    widths = np.repeat([max(1, c.size) / len(c.tension) for c in chapters], len(chapters[0].tension))
    ends = np.cumsum(widths)
    sums = np.concatenate([[0.0], np.cumsum(values * widths)])
    edges = np.linspace(0, ends[-1], POINTS + 1)
    points = np.diff(np.interp(edges, np.concatenate([[0.0], ends]), sums)) / (ends[-1] / POINTS)
    padded = np.pad(points, 1, mode="edge")
    return np.asarray((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4)


def _joined(chapters: Sequence[Features]) -> tuple[NDArray, Vector]:
    """(chapters, terms) counts and sizes."""
    terms = np.stack([c.terms for c in chapters])
    sizes = np.array([max(1, c.size) for c in chapters], np.float64)
    group = -(-len(chapters) // MOST)
    starts = np.arange(0, len(chapters), group)
    return (terms, sizes) if group == 1 else (np.add.reduceat(terms, starts), np.add.reduceat(sizes, starts))


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


def _arrivals(terms: NDArray, sizes: Vector) -> tuple[Vector, float]:
    """Where in the book, from 0 to 1, each term that comes back is first met; and how little is new at the end.

    The second: 1 less the rate of new terms in the last tenth of the book, as a share of their rate in the whole book.
    """
    there = terms > 0
    spread = there.sum(0)
    ends = np.cumsum(sizes) / sizes.sum()
    first = (ends - sizes / sizes.sum() / 2)[there[:, spread > 0].argmax(0)]
    edge = max(1, round(len(terms) / 10))
    last = ends[-edge - 1]
    new = float(np.mean(first > last)) / (1 - last)
    return np.asarray(first[spread[spread > 0] >= 2]), float(np.clip(1 - new, 0, 1))


def _conflict(curve: Vector, thread: float) -> dict[str, float]:
    middle, opening = curve[POINTS // 10 : -POINTS // 10], curve[: POINTS // 10]
    return {"level": _level(float(middle.mean())), "rise": thread * _more(float(middle.mean()), float(opening.mean()))}


def _climax(curve: Vector, thread: float) -> dict[str, float]:
    half = POINTS // 2
    return {"late": thread * _more(float(curve[half:].max()), float(curve[:half].max()))}


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

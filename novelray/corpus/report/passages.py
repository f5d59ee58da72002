"""The passages that the report shows: of each book the chapter that stands out, and the one with the fullest story."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

LENGTH = 240  # characters of a passage
LEAST = 500  # characters of a chapter that is shown
MOST = 6

Passages = dict[str, list[dict[str, Any]]]


class Chapter(Protocol):
    """What is read of a chapter."""

    @property
    def chapter_id(self) -> str: ...
    @property
    def book(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str: ...


class Measured(Protocol):
    """What is read of a chapter's measures; None is not known."""

    @property
    def style_distance(self) -> float | None: ...
    @property
    def arc(self) -> float | None: ...


def passages_of(chapters: Sequence[Chapter], measured: Sequence[Measured]) -> Passages:
    """A book's `worst` (its chapter farthest from the others in style) and `best` (the fullest arc of its own)."""
    pairs = [(c, m) for c, m in zip(chapters, measured, strict=True) if len(c.text) >= LEAST]
    far = [(m.style_distance, c) for c, m in pairs if m.style_distance is not None]
    full = [(m.arc, c) for c, m in pairs if m.arc is not None]
    worst = max(far, key=lambda pair: (pair[0], pair[1].chapter_id), default=None)
    best = max(full, key=lambda pair: (pair[0], pair[1].chapter_id), default=None)
    return {
        "worst": [_shown(worst[1], worst[0], "style_distance")] if worst else [],
        "best": [_shown(best[1], best[0], "arc")] if best else [],
    }


def merge_passages(books: Iterable[Mapping[str, Sequence[Mapping[str, Any]]]], most: int = MOST) -> Passages:
    """The `most` passages with the highest scores over all books, in each column."""
    found: Passages = {"worst": [], "best": []}
    for passages in books:
        for column, held in found.items():
            held.extend(dict(passage) for passage in passages.get(column, ()))
            held.sort(key=lambda passage: (-passage["score"], passage["chapter_id"]))
            del held[most:]
    return found


def _shown(chapter: Chapter, score: float, measure: str) -> dict[str, Any]:
    """The passage: from the first line that begins in the middle of the chapter."""
    middle = chapter.text.find("\n", len(chapter.text) // 2) + 1 or len(chapter.text) // 2
    return {
        "book": chapter.book, "chapter_id": chapter.chapter_id, "title": chapter.title, "lang": chapter.language,
        "excerpt": " ".join(chapter.text[middle : middle + LENGTH].split()), "score": round(float(score), 4),
        "measure": measure,
    }  # fmt: skip

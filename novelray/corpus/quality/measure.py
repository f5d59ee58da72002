"""What is measured of one book, in the task that reads it: a number or a name for every gate, per chapter and book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from novelray.corpus.book import Chapter
from novelray.corpus.quality.arc import SCORES, Arc, chapter_arc, story_arc
from novelray.corpus.quality.features import Features, features
from novelray.corpus.quality.genre import Genre, genre_of
from novelray.corpus.quality.perspective import of_book, perspective_of
from novelray.corpus.quality.style import style
from novelray.corpus.read.meta import BookMeta
from novelray.recipe.quality import QualitySection


@dataclass(frozen=True)
class ChapterMeasure:
    """One chapter. `arc`, `setup` ... `resolution`: scores in [0, 1] of the arc inside it, None where its language has
    no word lists. `style_distance`: to the other chapters of its book, in [0, 1]. `perspective`: "" where not known."""

    chapter_id: str
    title: str
    chars: int
    language: str
    arc: float | None
    setup: float | None
    conflict: float | None
    climax: float | None
    resolution: float | None
    style_distance: float | None
    perspective: str


@dataclass(frozen=True)
class BookMeasure:
    """One book. `arc`: over its chapters (see Arc), None where its language has no word lists. `style_distance`: how
    far its chapters fall into two groups, `mean_distance`: mean of its chapters' distances, None for few chapters.
    `characters`: by language. `perspectives`: characters by perspective."""

    book: str
    language: str
    characters: dict[str, int]
    arc: Arc | None
    style_distance: float | None
    mean_distance: float | None
    perspective: str
    perspectives: dict[str, int]
    genre: Genre
    curated: bool | None
    chapters: list[ChapterMeasure]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def measure(chapters: Sequence[Chapter], meta: BookMeta, section: QualitySection) -> BookMeasure:
    """Measure a book from its chapters in order; without `section.measure`, only its volume and metadata."""
    characters: Counter[str] = Counter()
    for chapter in chapters:
        characters[chapter.language] += len(chapter.text)
    language = max(sorted(characters), key=lambda name: characters[name], default="und")
    name = chapters[0].book if chapters else ""
    bodies = [_body(chapter) for chapter in chapters]
    genre = genre_of(meta.genre, bodies, language)
    if not section.measure or not chapters:
        plain = [_chapter(chapter, None, None, "") for chapter in chapters]
        return BookMeasure(
            name, language, dict(sorted(characters.items())), None, None, None, "", {}, genre, meta.curated, plain
        )
    found = [features(body, chapter.language) for body, chapter in zip(bodies, chapters, strict=True)]
    told = [perspective_of(b, c.title, c.language) for b, c in zip(bodies, chapters, strict=True)]
    even = style(np.stack([f.terms for f in found]))
    perspectives: Counter[str] = Counter()
    for who, chapter in zip(told, chapters, strict=True):
        perspectives[who] += len(chapter.text)
    known = [f for f in found if f.known]
    alone = len(chapters) == 1
    return BookMeasure(
        name, language, dict(sorted(characters.items())), story_arc(known) if known else None, even.distance,
        None if alone else round(float(np.mean(even.chapters)), 4),
        of_book([(who, len(chapter.text)) for who, chapter in zip(told, chapters, strict=True)]),
        {who: n for who, n in sorted(perspectives.items()) if who}, genre, meta.curated,
        [_chapter(c, f, None if alone else d, who)
         for c, f, d, who in zip(chapters, found, even.chapters, told, strict=True)],
    )  # fmt: skip


def _body(chapter: Chapter) -> str:
    """The text without its heading."""
    start = len(chapter.title) if chapter.title and chapter.text.startswith(chapter.title) else 0
    return chapter.text[start:]


def _chapter(chapter: Chapter, found: Features | None, distance: float | None, told: str) -> ChapterMeasure:
    arc = chapter_arc(found) if found is not None and found.known else None
    scores = [None if arc is None else getattr(arc, name) for name in ("total", *SCORES[:4])]
    return ChapterMeasure(
        chapter.chapter_id, chapter.title, len(chapter.text), chapter.language, *scores, distance, told
    )

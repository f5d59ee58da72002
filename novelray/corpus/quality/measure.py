"""What is measured of one book, in the task that reads it: a number or a name for every gate, per chapter and book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from novelray.corpus.book import Chapter
from novelray.corpus.quality.arc import FEWEST, Arc, chapter_arc, story_arc
from novelray.corpus.quality.features import Features, features, joined, stretches
from novelray.corpus.quality.genre import Genre, genre_of
from novelray.corpus.quality.perspective import of_book, perspective_of
from novelray.corpus.quality.style import style
from novelray.corpus.read.meta import BookMeta
from novelray.recipe.quality import QualitySection

MOST = 1_024
"""Chapters whose term counts are held at once: 33 MB of them. In a longer book this many rows make the arc, each of
several neighbouring chapters, and a chapter's style distance is to the others of its part."""


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
        """Plain JSON values. Not by `asdict`, which copies every number of every chapter."""
        arc = None if self.arc is None else asdict(self.arc)
        return {**vars(self), "arc": arc, "genre": vars(self.genre), "chapters": [dict(vars(c)) for c in self.chapters]}


def measure(chapters: Sequence[Chapter], meta: BookMeta, section: QualitySection) -> BookMeasure:
    """Measure a book from its chapters in order; without `section.measure`, only its volume and metadata.

    Memory besides the chapters does not grow with the book: it is measured in parts of at most MOST chapters.
    """
    characters: Counter[str] = Counter()
    for chapter in chapters:
        characters[chapter.language] += len(chapter.text)
    language = max(sorted(characters), key=lambda name: characters[name], default="und")
    found = _Found()
    if section.measure:
        for part in _parts(chapters):
            _measure_part(part, language, -(-len(chapters) // MOST), found)
    else:
        found.chapters = [_chapter(chapter, None, None, "") for chapter in chapters]
    arc = _book_arc(chapters, language, found)
    if arc is not None and len(chapters) == 1:
        found.chapters = [_with_arc(found.chapters[0], arc)]  # a book that is one chapter has one arc
    distances = [c.style_distance for c in found.chapters if c.style_distance is not None]
    perspectives: Counter[str] = Counter()
    for c in found.chapters:
        perspectives[c.perspective] += c.chars
    return BookMeasure(
        chapters[0].book if chapters else "", language, dict(sorted(characters.items())), arc,
        _mean([d for d in found.styles if d is not None]), _mean(distances),
        of_book([(c.perspective, c.chars) for c in found.chapters]),
        {who: n for who, n in sorted(perspectives.items()) if who},
        genre_of(meta.genre, [c.text for c in chapters] if section.measure else [], language), meta.curated,
        found.chapters,
    )  # fmt: skip


@dataclass
class _Found:
    """What the parts of a book gave. `rows`: for the arc, chapters of the book's language, joined in a long book."""

    chapters: list[ChapterMeasure] = field(default_factory=list)
    rows: list[Features] = field(default_factory=list)
    styles: list[float | None] = field(default_factory=list)


def _parts(chapters: Sequence[Chapter]) -> Iterator[Sequence[Chapter]]:
    size = -(-len(chapters) // max(1, -(-len(chapters) // MOST)))
    for start in range(0, len(chapters), max(1, size)):
        yield chapters[start : start + size]


def _measure_part(part: Sequence[Chapter], language: str, group: int, found: _Found) -> None:
    """Add a part's measures; its term counts are gone when this returns. `group`: chapters in a row of the arc."""
    numbers: list[Features] = []
    told: list[str] = []
    for chapter in part:
        body = body_of(chapter)
        numbers.append(features(body, chapter.language))
        told.append(perspective_of(body, chapter.title, chapter.language))
    even = style(np.stack([f.terms for f in numbers]))
    found.styles.append(even.distance)
    for chapter, f, distance, who in zip(part, numbers, even.chapters, told, strict=True):
        found.chapters.append(_chapter(chapter, f, distance if len(part) > 1 else None, who))
    same = [f for f, chapter in zip(numbers, part, strict=True) if f.known and chapter.language == language]
    found.rows.extend(joined(same[start : start + group]) for start in range(0, len(same), group))


def _book_arc(chapters: Sequence[Chapter], language: str, found: _Found) -> Arc | None:
    if not found.rows:
        return None
    few = len(found.rows) < FEWEST
    return story_arc(
        found.rows, stretches([body_of(c) for c in chapters if c.language == language], language) if few else ()
    )


def _mean(distances: Sequence[float]) -> float | None:
    return round(float(np.mean(distances)), 4) if distances else None


def body_of(chapter: Chapter) -> str:
    """The text without its heading."""
    start = len(chapter.title) if chapter.title and chapter.text.startswith(chapter.title) else 0
    return chapter.text[start:]


def _chapter(chapter: Chapter, found: Features | None, distance: float | None, told: str) -> ChapterMeasure:
    plain = ChapterMeasure(
        chapter.chapter_id, chapter.title, len(chapter.text), chapter.language,
        None, None, None, None, None, distance, told,
    )  # fmt: skip
    return _with_arc(plain, chapter_arc(found)) if found is not None and found.known else plain


def _with_arc(chapter: ChapterMeasure, arc: Arc) -> ChapterMeasure:
    return replace(
        chapter, arc=arc.total, setup=arc.setup, conflict=arc.conflict, climax=arc.climax, resolution=arc.resolution
    )

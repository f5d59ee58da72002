"""Which books are read and what becomes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novelray.recipe.augment import AugmentSection
from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section, Share
from novelray.recipe.clean import CleanSection
from novelray.recipe.dedup import DedupSection
from novelray.recipe.labels import LabelsSection
from novelray.recipe.privacy import PrivacySection
from novelray.recipe.quality import QualitySection
from novelray.recipe.read import BookEntry, ReadSection


class HeldoutSection(Section):
    """What is kept out of training, to measure with. Always whole chapters or whole books, never rows."""

    by: Literal["chapter", "book"] = "chapter"
    """`chapter`: a share of the chapters of each book. `book`: whole books."""

    share: Share = 0.05
    """Share of the chapters of a book, or of the books, that is held out; at least one where there are two or more."""

    books: tuple[str, ...] = ()
    """With `by: book`, names of books (globs) to hold out instead of a share."""


class CorpusSection(Section):
    """Books in, clean chapters out."""

    books: tuple[str | BookEntry, ...] = Field((), json_schema_extra=NOT_IDENTITY)
    """Files, folders or globs, local or in object storage, relative to the recipe; or entries with `path` and what is
    known of the books there (`title`, `author`, `genre`, `curated`). A folder means the books in it."""

    read: ReadSection = ReadSection()
    clean: CleanSection = CleanSection()
    privacy: PrivacySection = PrivacySection()

    min_chapter_chars: int = Field(50, ge=0)
    """Chapters with fewer characters than this are left out and counted."""

    max_chapter_chars: PositiveInt = 200_000
    """Longer chapters are cut at paragraphs into pieces of at most this many characters."""

    dedup: DedupSection = DedupSection()
    quality: QualitySection = QualitySection()
    augment: AugmentSection = AugmentSection()
    labels: LabelsSection = LabelsSection()

    heldout: HeldoutSection = HeldoutSection()
    """What is kept out of training."""

    max_quarantine: Share = 0.2
    """The stage stops when more than this share of the books cannot be read."""

"""Which books are read and what becomes of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section, Share


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

    books: tuple[str, ...] = Field((), json_schema_extra=NOT_IDENTITY)
    """Files, folders or globs, local or in object storage; relative to the recipe. A folder means its `*.txt` files."""

    encoding: str = "auto"
    """`auto` detects each file's encoding (UTF-8, UTF-16, GB18030, Big5, others); or the name of one for all files."""

    min_chapter_chars: int = Field(50, ge=0)
    """Chapters with fewer characters than this are left out and counted."""

    max_chapter_chars: PositiveInt = 200_000
    """Longer chapters are cut at paragraphs into pieces of at most this many characters."""

    deduplicate: bool = True
    """Keep one of the chapters whose normalised text is the same; the first by book name and chapter order."""

    heldout: HeldoutSection = HeldoutSection()
    """What is kept out of training."""

    max_quarantine: Share = 0.2
    """The stage stops when more than this share of the books cannot be read."""

    max_duplicates: Share = 0.5
    """The stage stops when deduplication would remove more than this share of the chapters: more likely a fault."""

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, name: str) -> str:
        if name != "auto":
            try:
                "".encode(name)  # also refuses codecs that are no text encodings, such as base64
            except LookupError:
                raise ValueError(
                    f"no encoding is called {name!r}; use auto, or for example utf-8, gb18030, big5"
                ) from None
        return name

"""How the books' files are read."""

from __future__ import annotations

from pydantic import field_validator

from novelray.recipe.base import PositiveInt, Section


class BookEntry(Section):
    """A file, folder or glob with what is known of its books; what is said here counts more than what a book says."""

    path: str
    """File, folder or glob, local or in object storage; relative to the recipe."""

    title: str = ""
    """Title, where the location is one book."""

    author: str = ""
    """Author, or several with 、 or ; between them."""

    genre: str = ""
    """Genre, in words of your own: 武侠, romance, ..."""

    curated: bool | None = None
    """Whether people chose and checked this text; null: not known, counted as not."""


class ReadSection(Section):
    """How the books' files are read."""

    encoding: str = "auto"
    """`auto` detects each text file's encoding (UTF-8, UTF-16, GB18030, Big5, others); or the name of one for all."""

    boilerplate: bool = True
    """Take off licence texts, page numbers, running heads, watermarks and advertising lines; each kind is counted."""

    unwrap: bool = True
    """Join lines that were broken at a fixed width into paragraphs."""

    ocr: bool = False
    """Recognise the characters of scanned pages; needs the extra `novelray[ocr]`."""

    max_unpacked_mb: PositiveInt = 2_000
    """An archive or compressed file that holds more than this (MB, 10⁶ bytes) is set aside as a bomb."""

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

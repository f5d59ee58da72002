"""What is corrected in the text."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, Section


class CleanSection(Section):
    """What is corrected in the text, beyond its normalisation (NFC and a punctuation table of our own)."""

    script: Literal["keep", "simplified", "traditional"] = "keep"
    """Convert Chinese to one script (OpenCC); a book that is in that script already is left alone."""

    mojibake: bool = True
    """Repair lines that were decoded wrongly once (`â€œ` for “, `锛屾垜` for ，我)."""

    damaged: bool = True
    """Take out sentences whose bytes were lost before the book came here (`都尉张辏??勘?灏倩に汀`): what they said
    cannot be known again. The characters taken out are counted."""

    confusions: bool = True
    """Correct common wrong characters in Chinese phrases (按装 for 安装), from a table of our own."""

    corrections: str = Field("", json_schema_extra=NOT_IDENTITY)
    """File of more corrections, one `wrong<TAB>right` a line, UTF-8; lines that begin with # are comments. Relative to
    the recipe; its content counts for the corpus's identity, not where it lies."""

    english_spelling: Literal["keep", "british", "american"] = "keep"
    """Write English words in one of the two spellings, case kept."""

    names: tuple[str, ...] = ()
    """Names that are never corrected, nor any part of them. Names that a book itself shows to be names are known."""

    names_file: str = Field("", json_schema_extra=NOT_IDENTITY)
    """File of more such names, one a line, UTF-8; relative to the recipe."""

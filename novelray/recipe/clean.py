"""What is corrected in the text."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import Section


class CleanSection(Section):
    """What is corrected in the text, beyond its normalisation (NFC and a punctuation table of our own)."""

    script: Literal["keep", "simplified", "traditional"] = "keep"
    """Convert Chinese to one script (OpenCC)."""

    mojibake: bool = True
    """Repair lines that were decoded wrongly once (`â€œ` for “)."""

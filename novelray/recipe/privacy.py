"""What becomes of personal data."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import Section

Treatment = Literal["mask", "drop", "keep"]


class PrivacySection(Section):
    """What becomes of personal data. A novel's characters are no persons and stay."""

    data: Treatment = "mask"
    """Phone numbers, e-mail, ID and bank card numbers, addresses, messenger ids: `mask` puts a word in their place,
    `drop` takes the line out, `keep` only counts."""

    people: Treatment = "keep"
    """Names of real persons in metadata and notes (authors, translators, editors): `mask` gives each a pseudonym."""

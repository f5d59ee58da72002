"""What becomes of personal data."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import PositiveInt, Section

Treatment = Literal["mask", "drop", "keep"]


class PrivacySection(Section):
    """What becomes of personal data. A novel's characters are no persons and stay."""

    data: Treatment = "mask"
    """Phone numbers, e-mail, ID, passport and bank card numbers, addresses, messenger ids, IP addresses: `mask` puts a
    word in their place, `drop` takes the line out, `keep` only counts."""

    drop_line: PositiveInt = 200
    """With `data: drop`, a line of at most this many characters goes as a whole; of a longer one, the sentence goes."""

    people: Treatment = "keep"
    """Names of real persons (authors, translators, editors) in metadata and in notes, that is in bracketed or signed
    remarks, footnotes and credits: `mask` gives each a pseudonym, the same one in all books, `drop` takes the name out
    of the metadata and its line or bracket out of the text. Names of files stay as they are."""

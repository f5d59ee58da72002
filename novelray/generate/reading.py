"""Characters as a reader counts them: Hanzi, letters, digits and marks; neither white space nor what has no width.

A combining mark belongs to the letter before it, and joiners and variation selectors are no characters to a reader.
"""

from __future__ import annotations

import unicodedata

NOTHING = {"Cc", "Cf", "Mn", "Mc", "Me"}
"""Unicode's categories for control and format characters and for combining marks."""


def is_counted(char: str) -> bool:
    """Whether a reader counts it: no white space, no combining mark, no control or format character."""
    return not (char.isspace() or unicodedata.category(char) in NOTHING)


def count(text: str) -> int:
    """How many characters of `text` a reader counts."""
    return sum(map(is_counted, text))


def first(text: str, most: int) -> str:
    """As much of `text` as has `most` counted characters, the combining marks of the last one included."""
    seen = 0
    for at, char in enumerate(text):
        if seen >= most and (is_counted(char) or char.isspace()):
            return text[:at]
        seen += is_counted(char)
    return text

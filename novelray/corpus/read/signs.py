"""Whether a text has signs that steps of reading deal with: most texts have none, and to know it is to be done."""

from __future__ import annotations

from novelray.corpus.native import compiled

_native = compiled("lines")


def lacks(text: str, signs: str) -> bool:
    """Whether none of one to four characters stands in a text."""
    if _native is not None:
        return bool(_native.lacks(text, signs))
    return not any(sign in text for sign in signs)

"""Character n-grams as 64-bit hashes, by numpy: whole chapters in fractions of a millisecond."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xD6E8FEB86659FD93)
_HALF = np.uint64(32)
SAMPLE = 8
"""One n-gram in so many stands for all of them in a sketch."""
_SAMPLE = np.uint64(SAMPLE)


def codes(text: str) -> NDArray[np.uint32]:
    """The text's characters as code points."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def hashes(text: str, n: int) -> Hashes:
    """The hash of each n-gram of the text, in order; `n` is a power of two. Empty for a text shorter than n."""
    assert n & (n - 1) == 0, n
    found: Any = codes(text).astype(np.uint64) + np.uint64(1)
    if len(found) < n:
        return np.empty(0, np.uint64)
    factor, width = _FACTOR, 1
    with np.errstate(over="ignore"):
        while width < n:
            found = found[:-width] * factor + found[width:]
            factor, width = factor * factor, 2 * width
        found = (found ^ (found >> _HALF)) * _MIX
    return np.asarray(found ^ (found >> _HALF), np.uint64)


def sketch(text: str, language: str) -> Hashes:
    """Every `SAMPLE`-th n-gram of a text without its whitespace, chosen by its hash; sorted, each once.

    An n-gram is long enough that two texts share it only by copying: 16 characters, in alphabets 32.
    """
    found = hashes("".join(text.split()), 16 if language in ("zh", "ja", "ko") else 32)
    return np.unique(found[found % _SAMPLE == 0])


def repetition(text: str, language: str) -> float:
    """Share of a text's n-grams (8 characters, in alphabets 32) that stood in it before; 0 to 1."""
    found = hashes(text, 8 if language in ("zh", "ja", "ko") else 32)
    return 1 - len(np.unique(found)) / len(found) if len(found) else 0.0

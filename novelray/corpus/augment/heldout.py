"""Which training chapters resemble the held-out ones too much to make text from.

Deduplication leaves one of two near-duplicates, but it can be off, and what it lets pass may still share pages. Text
made from such a chapter would teach the model what it is measured on.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from novelray.corpus.augment.ngrams import Hashes, trace

NEAR = 0.1
"""Share of a chapter's trace found in the held-out chapters from which it is no source."""


def traces(texts: Iterable[tuple[str, str]]) -> Hashes:
    """The traces of (text, language) pairs, joined; sorted, each hash once."""
    return np.unique(np.concatenate([np.empty(0, np.uint64), *(trace(*pair) for pair in texts)]))


def is_near(text: str, language: str, heldout: Hashes) -> bool:
    """Whether more than `NEAR` of a text stands in the chapters that `heldout` is the joined trace of."""
    found = trace(text, language)
    return len(found) > 0 and float(np.isin(found, heldout, assume_unique=True).mean()) > NEAR

"""A text that goes round in a circle: its end is one unit again and again."""

from __future__ import annotations

import numpy as np

LONGEST_UNIT = 64
"""Tokens."""

LEAST_LOOP = 24
"""Tokens that all repetitions together have at least: laughter and dashes repeat one token too, and are no loop."""


class LoopDetector:
    """Reads an answer token by token, at the same small cost for each (no text is searched again)."""

    def __init__(self, repeats: int) -> None:
        """`repeats`: how often a unit stands in a row, the first time included; 2 or more."""
        units = np.arange(1, LONGEST_UNIT + 1)
        self._before = np.full(LONGEST_UNIT, -1)  # the last tokens, newest first
        self._run = np.zeros(LONGEST_UNIT, dtype=np.int64)  # by unit u: tokens in a row that equal the one u before
        self._enough = np.maximum(units * (repeats - 1), LEAST_LOOP - units)

    def push(self, token_id: int) -> bool:
        """Take the next token; whether the text is in a loop now."""
        self._run = (self._run + 1) * (self._before == token_id)
        self._before[1:] = self._before[:-1]
        self._before[0] = token_id
        return bool((self._run >= self._enough).any())

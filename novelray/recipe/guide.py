"""What the field's guide to fine-tuning on novels asks for. Its claims, not our measurements, and shown as such."""

from __future__ import annotations

VOLUMES = {"style": 80_000_000, "genre": 120_000_000, "author": 200_000_000}
"""Tokens of training text by objective."""

MARK = 500.0
"""Least product of training text (millions of tokens) and model size (billions of parameters)."""

BASE = (80_000_000, 120_000_000)
"""Tokens of the first batch of a corpus; themes are added in batches after it."""


def volume(objective: str) -> int:
    """Tokens that the guide asks for. Raises KeyError for an objective that it does not name."""
    return VOLUMES[objective]


def mark(tokens: int, parameters: int) -> float:
    """Millions of tokens × billions of parameters."""
    return tokens / 1e6 * parameters / 1e9


def tokens_for_mark(parameters: int) -> int:
    """Tokens with which a model of this size reaches the mark."""
    return round(MARK * 1e15 / parameters)

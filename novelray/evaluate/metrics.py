"""Automatic scores as pure functions of texts and log-likelihoods."""

from __future__ import annotations

import math
from collections.abc import Sequence


def perplexity(loss_sum: float, tokens: int) -> float:
    """exp of the mean loss. `loss_sum` in nats over `tokens` trained tokens."""
    return math.exp(min(50.0, loss_sum / max(1, tokens)))


def repetition(tokens: Sequence[int], n: int) -> float:
    """Rep-n of one text (Welleck et al., 2020): the share of its n-grams that it had before. 0 for short texts."""
    grams = _ngrams(tokens, n)
    return 1.0 - len(set(grams)) / len(grams) if grams else 0.0


def distinct(texts: Sequence[Sequence[int]], n: int) -> float:
    """Distinct-n over several texts (Li et al., 2016): different n-grams divided by all n-grams."""
    grams = [gram for tokens in texts for gram in _ngrams(tokens, n)]
    return len(set(grams)) / len(grams) if grams else 0.0


def _ngrams(tokens: Sequence[int], n: int) -> list[tuple[int, ...]]:
    return [tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)]

"""How much text there is for the objective, and how to grow the corpus. Volumes and the mark are the guide's claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novelray.recipe import guide

TOKENS_PER_CHARACTER = {"zh": 0.7, "ja": 0.7, "ko": 0.6, "en": 0.24}
OTHER_TOKENS = 0.3
"""Estimates for byte-level vocabularies of 100 k and more; the shards stage counts with the recipe's own tokenizer."""

LEAST_SHARE = 0.5
"""Share of the objective's volume below which nothing compensates for what is missing. Ours."""

THEME = 10_000_000
"""Tokens of one thematic batch. Ours: about a tenth of the base."""


def tokens_of(characters: Mapping[str, float]) -> int:
    """Estimated tokens of so many characters by language."""
    return round(sum(n * TOKENS_PER_CHARACTER.get(language, OTHER_TOKENS) for language, n in characters.items()))


def compensated(tokens: int, wanted: int, parameters_b: float | None, sound: bool) -> bool:
    """Whether less text than wanted will do: enough of it, sound by the other gates, for a model that is large enough.

    The guide's rule is the product of text and size (MARK); that the text be sound, and at least LEAST_SHARE of the
    volume, is ours.
    """
    enough = parameters_b is not None and guide.mark(tokens, round(parameters_b * 1e9)) >= guide.MARK
    return sound and enough and tokens >= LEAST_SHARE * wanted


def growth(tokens: int, wanted: int, themes: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """Batches that take the corpus to its volume: first the base, then a batch for each theme, then more of all."""
    plan: list[dict[str, Any]] = []
    low, high = guide.BASE
    if tokens < low:
        plan.append({"batch": 1, "kind": "base", "tokens": low - tokens, "at_most": high - tokens})
    plan += [
        {"batch": len(plan) + n, "kind": "theme", "tokens": THEME, **theme} for n, theme in enumerate(themes, start=1)
    ]
    missing = wanted - tokens - sum(batch["tokens"] for batch in plan)
    while missing > 0:
        plan.append({"batch": len(plan) + 1, "kind": "more", "tokens": min(missing, low)})
        missing -= low
    return plan

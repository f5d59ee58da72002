"""What writing front ends call a request's fields, after the servers they know: KoboldCpp, llama.cpp, TabbyAPI.

Such a front end sends every name that it knows at once, with equal values, whatever it talks to. So the field's own
name goes before its aliases, of these the first that is given counts, and more than one is no error. What was applied
stands in each answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ALIASES: Mapping[str, tuple[str, ...]] = {
    "max_tokens": ("max_new_tokens", "max_length", "n_predict", "num_predict"),
    "min_tokens": ("min_length", "min_new_tokens"),
    "typical_p": ("typical",),
    "repetition_penalty": ("rep_pen", "repeat_penalty"),
    "repetition_penalty_range": ("rep_pen_range", "repeat_last_n", "penalty_range", "repetition_range"),
    "dry_penalty_last_n": ("dry_range",),
    "stop": ("stopping_strings", "stop_sequence"),
    "seed": ("sampler_seed",),
    "ignore_eos": ("ban_eos_token",),
    "custom_token_bans": ("banned_tokens",),
}

BAN = -100.0
"""The bias of a token that must not be chosen."""


def canonical(body: Any) -> Any:
    """The body with what aliases say under the fields' own names. `null` is not given; neither is "no limit" (-1)."""
    if not isinstance(body, dict):
        return body
    found = dict(body)
    for field, aliases in ALIASES.items():
        if found.get(field) is None:
            given = (body[alias] for alias in aliases if body.get(alias) is not None)
            value = next((v for v in given if not (field == "max_tokens" and _is_negative(v))), None)
            if value is not None:
                found[field] = value
    return found


def texts(value: Any) -> Any:
    """A list of texts that may come as JSON in a text, with or without its brackets: `["\\n", ":"]`."""
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    try:
        return json.loads(value if value.lstrip().startswith("[") else f"[{value}]")
    except ValueError:
        raise ValueError("it is no list of texts, and no JSON of one") from None


def ids(value: Any) -> Any:
    """A list of token ids that may come as a text with commas between."""
    if not isinstance(value, str):
        return value or None
    try:
        return [int(part) for part in value.split(",") if part.strip()] or None
    except ValueError:
        raise ValueError("it is no list of token ids") from None


def biases(value: Any) -> Any:
    """Biases by token id, which llama.cpp takes as pairs, with `false` for a token that must not be chosen."""
    if not isinstance(value, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in value):
        return value
    return {str(token): BAN if bias is False else bias for token, bias in value} or None


def _is_negative(value: Any) -> bool:
    return isinstance(value, int | float) and value < 0

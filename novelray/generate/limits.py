"""What a model and a request allow: the context, the tokens that end a text, values in range."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from novelray.errors import ModelError
from novelray.generate.protocol import PromptTooLongError, Request, RequestError, Sampling

FULL = {"full_attention", None}


def context_of(model: Any, asked: int | None) -> int:
    """The context in tokens: what was asked for, at most the model's positions, at most a sliding window.

    Inside a sliding window attention is full attention, which is all that this engine computes. Raises ModelError for
    a model whose layers are no attention (state-space, linear).
    """
    config = model.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or [None])
    if odd := sorted(str(k) for k in kinds - FULL - {"sliding_attention"}):
        raise ModelError(
            f"{type(model).__name__} has layers of kind {', '.join(odd)}, which the embedded engine does not compute.",
            "Serve a model with plain attention: Llama, Qwen2, DeepSeek.",
        )
    sizes = [getattr(config, "max_position_embeddings", None), asked]
    if "sliding_attention" in kinds or getattr(config, "use_sliding_window", kinds == {None}):
        sizes.append(getattr(config, "sliding_window", None))
    known = [int(size) for size in sizes if size]
    if not known:
        raise ModelError("The model's configuration does not say its context.", "Give `context`.")
    return min(known)


def end_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Ids that end a text, from the model's generation settings and the tokenizer."""
    found: set[int] = set()
    for place in (getattr(model, "generation_config", None), model.config.get_text_config(), tokenizer):
        value = getattr(place, "eos_token_id", None)
        found |= set(value if isinstance(value, list | tuple) else [] if value is None else [value])
    return frozenset(int(i) for i in found)


def new_tokens(request: Request, context: int, vocabulary: int) -> int:
    """Most tokens that the answer can have. Raises PromptTooLongError and RequestError."""
    prompt, sampling = request.prompt_ids, request.sampling
    check_prompt(prompt, context, vocabulary)
    _check_ids("logit_bias", tuple(sampling.logit_bias), vocabulary)
    _check_ids("stop_token_ids", sampling.stop_token_ids, vocabulary)
    _check_ids("resumed", request.resumed, vocabulary)
    _check(sampling)
    most = sampling.max_tokens if request.slides else min(sampling.max_tokens, context - len(prompt))
    if request.resumed and len(request.resumed) >= most:
        raise RequestError(f"The answer has {len(request.resumed)} tokens already, and its most is {most}.")
    return most


def check_prompt(prompt: Sequence[int], context: int, vocabulary: int) -> None:
    """Raise PromptTooLongError or RequestError for a prompt that the model cannot read and go on from."""
    if len(prompt) >= context:
        raise PromptTooLongError(len(prompt), context)
    if not prompt:
        raise RequestError("The prompt has no tokens.", "Give at least one character to go on from.")
    _check_ids("prompt", prompt, vocabulary)


def check_style(style: Mapping[str, float], loaded: Container[str], model_id: str) -> None:
    """Raise ModelError for an adapter that is not loaded, RequestError for a weight that is no number."""
    for adapter, weight in style.items():
        if adapter not in loaded:
            raise ModelError(f"The adapter {adapter!r} is not loaded on {model_id}.", "Load it, or leave it out.")
        if not math.isfinite(weight):
            raise RequestError(f"The weight of {adapter} is {weight}.", "It must be a number, usually 0 to 1.")


def _check_ids(what: str, ids: Sequence[int], vocabulary: int) -> None:
    bad = next((i for i in ids if not 0 <= i < vocabulary), None)
    if bad is not None:
        raise RequestError(f"{what} has the token id {bad}.", f"Ids are 0 to {vocabulary - 1}.")


def _check(sampling: Sampling) -> None:
    """Not-a-number fails every comparison, and is refused with the rest."""
    endless, s = float("inf"), sampling
    rules = {
        "max_tokens": (s.max_tokens >= 0, "0 or more"),
        "min_tokens": (0 <= s.min_tokens <= s.max_tokens, "0 to max_tokens"),
        "max_chars": (s.max_chars is None or s.max_chars >= 1, "1 or more"),
        "min_chars": (0 <= s.min_chars <= (endless if s.max_chars is None else s.max_chars), "0 to max_chars"),
        "temperature": (0 <= s.temperature < endless, "0 or more"),
        "top_p": (0 < s.top_p <= 1, "above 0, at most 1"),
        "min_p": (0 <= s.min_p <= 1, "0 to 1"),
        "typical_p": (0 < s.typical_p <= 1, "above 0, at most 1"),
        "xtc_probability": (0 <= s.xtc_probability <= 1, "0 to 1"),
        "xtc_threshold": (0 <= s.xtc_threshold <= 1, "0 to 1"),
        "repetition_penalty": (0 < s.repetition_penalty < endless, "above 0"),
        "repetition_penalty_range": (s.repetition_penalty_range >= 0, "0 or more"),
        "presence_penalty": (abs(s.presence_penalty) < endless, "a number"),
        "frequency_penalty": (abs(s.frequency_penalty) < endless, "a number"),
        "dry_multiplier": (0 <= s.dry_multiplier < endless, "0 or more"),
        "dry_base": (1 <= s.dry_base < endless, "1 or more"),
        "dry_allowed_length": (s.dry_allowed_length >= 1, "1 or more"),
        "loop_repeats": (s.loop_repeats == 0 or s.loop_repeats >= 2, "0, or 2 or more"),
        "logprobs": (s.logprobs is None or s.logprobs >= 0, "0 or more"),
        "logit_bias": (all(abs(v) < endless for v in s.logit_bias.values()), "numbers"),
    }
    for name, (fine, wanted) in rules.items():
        if not fine:
            raise RequestError(f"{name} is {getattr(sampling, name)}.", f"It must be {wanted}.")

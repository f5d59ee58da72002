"""From our sampling to vLLM's. Pure: vLLM is not imported, so that the names are a promise about its 0.29.

A request for which vLLM has every sampler, and in our order, is drawn by vLLM. Any other is drawn by our own samplers
(rows.py), all of it: then vLLM is asked for the likeliest token, which is the one that they left. So the order of the
samplers is the same on every engine. vLLM's differs in three places: logit biases come before the penalties, min-p
before top-p, and its custom processors before the penalties and the temperature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from novelray.generate.protocol import Sampling

KEY = "novelray"
"""Where our part lies in vLLM's `extra_args`."""

LIKELIEST = {"temperature": 0.0}
LEAST_TEMPERATURE, MOST_TEMPERATURE = 0.01, 2.0
"""vLLM raises what is below the first, and refuses what is above the second."""
MOST_PENALTY = 2.0
MOST_LOGPROBS = 20
SEEDS = 2**63

PLAIN = Sampling()


def params_of(sampling: Sampling, limit: int, ends: frozenset[int], seed: int) -> dict[str, Any]:
    """Arguments of vLLM's SamplingParams, but for `output_kind`.

    `limit`: most new tokens. `ends`: the ids that end this text; vLLM stops at them and at nothing else, and where the
    text ends for other reasons is ours to see. `seed` replaces the request's own, and is never left out: with tensor
    parallelism each GPU draws by itself, and all have to draw the same.
    """
    common = {
        "max_tokens": limit,
        "stop_token_ids": sorted(ends),
        "ignore_eos": True,
        "detokenize": False,
        "logprobs": sampling.logprobs,
    }
    if not needs_ours(sampling):
        return common | _plain(sampling, limit, folded(seed))
    return common | LIKELIEST | {"extra_args": {KEY: {"sampling": packed(sampling, seed), "ends": sorted(ends)}}}


def needs_ours(sampling: Sampling) -> bool:
    """Whether vLLM lacks something that is asked for, has it in another order, or only within narrower limits."""
    s = sampling
    drawn = s.temperature > 0
    return any(
        (
            s.dry_multiplier > 0,
            s.repetition_penalty != 1 and s.repetition_penalty_range > 0,
            s.min_chars > 0,
            s.min_tokens > 0 and s.ignore_eos,  # vLLM holds the model's own end back all the same
            bool(s.logit_bias) and (s.repetition_penalty != 1),
            abs(s.presence_penalty) > MOST_PENALTY,
            abs(s.frequency_penalty) > MOST_PENALTY,
            drawn and not LEAST_TEMPERATURE <= s.temperature <= MOST_TEMPERATURE,
            drawn and s.temperature_last and s.temperature != 1,
            drawn and s.xtc_probability > 0,
            drawn and s.typical_p < 1,
            drawn and s.top_p < 1 and s.min_p > 0,
        )
    )


def packed(sampling: Sampling, seed: int) -> dict[str, Any]:
    """What differs from the defaults, as plain values that vLLM can send to its workers; `unpacked` reads it.

    What only says where a text ends stays here.
    """
    kept = replace(sampling, seed=seed, stop=(), loop_repeats=0, max_chars=None, logprobs=None)
    found = {name: value for name, value in asdict(kept).items() if value != getattr(PLAIN, name)}
    if "logit_bias" in found:
        found["logit_bias"] = [[token, value] for token, value in kept.logit_bias.items()]
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def unpacked(found: Mapping[str, Any]) -> Sampling:
    """The sampling that was packed."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}
    return Sampling(**values | {"logit_bias": {int(token): value for token, value in found.get("logit_bias", ())}})


def folded(seed: int) -> int:
    """A seed that fits 64 bits and is none of vLLM's words (-1 is "none")."""
    return abs(seed) % SEEDS


def _plain(sampling: Sampling, limit: int, seed: int) -> dict[str, Any]:
    s = sampling
    found: dict[str, Any] = {
        "temperature": s.temperature,
        "top_p": s.top_p,
        "top_k": max(0, s.top_k),
        "min_p": s.min_p,
        "repetition_penalty": s.repetition_penalty,
        "presence_penalty": s.presence_penalty,
        "frequency_penalty": s.frequency_penalty,
        "min_tokens": min(s.min_tokens, limit),
        "seed": seed,
    }
    return found | ({"logit_bias": dict(s.logit_bias)} if s.logit_bias else {})

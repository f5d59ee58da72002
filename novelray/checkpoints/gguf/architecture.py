"""What a GGUF file says about a model's architecture, from its configuration: only what llama.cpp computes alike.

The keys are those of llama.cpp's own conversion; the `gguf` package (MIT, by that project) spells and writes them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError
from novelray.models.pattern import RECORD

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter

ARCHITECTURES = ("llama", "qwen2", "qwen3")
"""Values of `model_type` that can be written; llama.cpp has the same names for them."""

EXPERTS = ("n_routed_experts", "num_local_experts", "num_experts")
MERGED = "Export it with --format merged: transformers and vLLM load that."


def check_architecture(config: Mapping[str, Any]) -> None:
    """Raise ModelError, with the reason, when a model of this config.json cannot be written as GGUF."""
    kind = str(config.get("model_type"))
    if any(config.get(key) for key in EXPERTS):
        raise ModelError(f"The model is a mixture of experts ({kind}), which is not written as GGUF here.", MERGED)
    if kind not in ARCHITECTURES:
        raise ModelError(
            f"The model's architecture is {kind!r}, and GGUF is written for {', '.join(ARCHITECTURES)}.", MERGED
        )
    if config.get("use_sliding_window") or "sliding_attention" in (config.get("layer_types") or ()):
        raise ModelError("The model attends within a sliding window, which is not written as GGUF here.", MERGED)
    if config.get(RECORD):
        raise ModelError("The model has sparse attention, and llama.cpp would compute full attention.", MERGED)
    found = rope(config)
    if found["rope_type"] not in ("default", "linear", "yarn", "llama3"):
        raise ModelError(f"llama.cpp has no position scaling {found['rope_type']!r} for {kind}.", MERGED)
    if found["rope_type"] == "yarn" and (special := _special_yarn(found)):
        raise ModelError(f"llama.cpp computes YaRN with its usual {special} only, for {kind}.", MERGED)


def rope(config: Mapping[str, Any]) -> dict[str, Any]:
    """The rotary embedding's parameters, wherever the version of transformers that wrote the file put them."""
    found = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    found.setdefault("rope_type", found.pop("type", "default"))
    found.setdefault("rope_theta", config.get("rope_theta") or 10_000.0)
    return found


def _special_yarn(found: Mapping[str, Any]) -> str:
    """The settings of YaRN that are not the usual ones. A file could state some of them: llama.cpp does not read them
    for these architectures (measured: logits differ by a fifth of their spread and more)."""
    usual = {
        "beta_fast": 32, "beta_slow": 1, "truncate": True, "mscale": None, "mscale_all_dim": None,
        "attention_factor": 0.1 * math.log(found["factor"]) + 1.0,
    }  # fmt: skip
    return ", ".join(key for key, value in usual.items() if found.get(key) not in (None, value))


def head_dim(config: Mapping[str, Any]) -> int:
    """Numbers in one attention head."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def describe(writer: GGUFWriter, config: Mapping[str, Any]) -> None:
    """Add the architecture's keys: sizes, heads, norms, rotary positions."""
    size = head_dim(config)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config.get("num_key_value_heads") or config["num_attention_heads"])
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])
    writer.add_rope_dimension_count(size)
    _describe_rope(writer, rope(config))


def _describe_rope(writer: GGUFWriter, found: Mapping[str, Any]) -> None:
    from gguf import RopeScalingType

    writer.add_rope_freq_base(found["rope_theta"])
    if found["rope_type"] == "linear":
        writer.add_rope_scaling_type(RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(found["factor"])
    elif found["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(found["factor"])
        writer.add_rope_scaling_orig_ctx_len(found["original_max_position_embeddings"])


def rope_factors(config: Mapping[str, Any]) -> np.ndarray | None:
    """Llama 3's scaling as the divisors [head_dim / 2] that llama.cpp reads from the tensor `rope_freqs.weight`.

    Wave lengths over the old context are stretched by `factor`, those under a share of it are kept, and between the
    two it goes over smoothly (Llama 3.1; the same function as in transformers). None for every other scaling.
    """
    import numpy as np

    found = rope(config)
    if found["rope_type"] != "llama3":
        return None
    size, factor = head_dim(config), found["factor"]
    low, high = found["low_freq_factor"], found["high_freq_factor"]
    wave = 2 * math.pi * found["rope_theta"] ** (np.arange(0, size, 2, dtype=np.float64) / size)
    smooth = np.clip((found["original_max_position_embeddings"] / wave - low) / (high - low), 0.0, 1.0)
    divisors: np.ndarray = 1.0 / ((1.0 - smooth) / factor + smooth)
    return divisors.astype(np.float32)

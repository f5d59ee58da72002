"""Small Llama-shaped models that are trained from nothing, so that a run needs no download.

The shape is that of the Llama and DeepSeek-LLM families: RMS norms, rotary positions, grouped-query attention, SwiGLU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from novelray.errors import ModelError

if TYPE_CHECKING:
    from transformers import LlamaConfig

SIZES: dict[str, dict[str, int]] = {
    "nano": {"hidden_size": 192, "layers": 4, "heads": 6, "key_value_heads": 2, "intermediate_size": 512},
    "mini": {"hidden_size": 512, "layers": 8, "heads": 8, "key_value_heads": 4, "intermediate_size": 1408},
}


def scratch_config(name: str, vocab_size: int, context: int, eos_id: int, pad_id: int) -> LlamaConfig:
    """The configuration of `scratch:<name>` for a vocabulary (tokens) and a context (tokens).

    Raises ModelError for an unknown name.
    """
    from transformers import LlamaConfig

    if name not in SIZES:
        raise ModelError(f"There is no scratch model {name!r}.", f"Use one of: scratch:{', scratch:'.join(SIZES)}.")
    size = SIZES[name]
    return LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=size["hidden_size"],
        num_hidden_layers=size["layers"],
        num_attention_heads=size["heads"],
        num_key_value_heads=size["key_value_heads"],
        intermediate_size=size["intermediate_size"],
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=eos_id,
        pad_token_id=pad_id,
    )

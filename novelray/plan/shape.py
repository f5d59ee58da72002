"""How many weights a model has, from the numbers in its `config.json`, before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from novelray.errors import ModelError
from novelray.models.scratch import SIZES


@dataclass(frozen=True)
class ModelShape:
    """A Llama-shaped decoder (Llama, Qwen2, Mistral, DeepSeek-LLM): RMS norms, SwiGLU, grouped-query attention."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    head_dim: int
    tied: bool = False
    biased: tuple[str, ...] = ()  # linear layers with a bias

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one block: name → (inputs, outputs)."""
        query, key_value = self.heads * self.head_dim, self.key_value_heads * self.head_dim
        return {
            "q_proj": (self.hidden, query),
            "k_proj": (self.hidden, key_value),
            "v_proj": (self.hidden, key_value),
            "o_proj": (query, self.hidden),
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }


def shape_of(config: Mapping[str, Any]) -> ModelShape:
    """The shape that a Hugging Face `config.json` describes.

    Raises ModelError when a number is missing, or when the model is of another shape (mixture of experts).
    """
    if any(config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
        raise ModelError("The model is a mixture of experts, which the plan cannot count.", "Plan without it.")
    try:
        hidden, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
        return ModelShape(
            vocab=int(config["vocab_size"]),
            hidden=hidden,
            layers=int(config["num_hidden_layers"]),
            heads=heads,
            key_value_heads=int(config.get("num_key_value_heads") or heads),
            intermediate=int(config["intermediate_size"]),
            head_dim=int(config.get("head_dim") or hidden // heads),
            tied=bool(config.get("tie_word_embeddings", False)),
            biased=_biased(config),
        )
    except KeyError as error:
        raise ModelError(
            f"The model's config.json has no {error.args[0]!r}.", "Is it a causal language model?"
        ) from None


def shape_of_scratch(base: str, vocab: int) -> ModelShape:
    """The shape of `scratch:<name>` with a vocabulary of so many tokens. Raises ModelError for an unknown name."""
    name = base.removeprefix("scratch:")
    if name not in SIZES:
        raise ModelError(f"There is no scratch model {name!r}.", f"Use one of: scratch:{', scratch:'.join(SIZES)}.")
    size = SIZES[name]
    return ModelShape(
        vocab=vocab, hidden=size["hidden_size"], layers=size["layers"], heads=size["heads"],
        key_value_heads=size["key_value_heads"], intermediate=size["intermediate_size"],
        head_dim=size["hidden_size"] // size["heads"], tied=True,
    )  # fmt: skip


def _biased(config: Mapping[str, Any]) -> tuple[str, ...]:
    if config.get("model_type") == "qwen2":
        return ("q_proj", "k_proj", "v_proj")
    attention = ("q_proj", "k_proj", "v_proj", "o_proj") if config.get("attention_bias") else ()
    return attention + (("gate_proj", "up_proj", "down_proj") if config.get("mlp_bias") else ())


def parameters(shape: ModelShape) -> int:
    """All weights."""
    embeddings = shape.vocab * shape.hidden * (1 if shape.tied else 2)
    return shape.layers * _block(shape) + embeddings + shape.hidden


def frozen_parameters(shape: ModelShape, layers: int) -> int:
    """Weights of so many blocks and of the input embeddings."""
    return layers * _block(shape) + shape.vocab * shape.hidden


def linear_parameters(shape: ModelShape) -> int:
    """Weights of the blocks' linear layers, without biases."""
    return shape.layers * sum(inputs * outputs for inputs, outputs in shape.linears.values())


def _block(shape: ModelShape) -> int:
    matrices = sum(inputs * outputs for inputs, outputs in shape.linears.values())
    return matrices + 2 * shape.hidden + sum(shape.linears[name][1] for name in shape.biased)


def lora_parameters(
    shape: ModelShape, rank: int, targets: tuple[str, ...] | Literal["all-linear"], dora: bool = False
) -> int:
    """Weights of the adapters: rank × (inputs + outputs) for each target in each block (Hu et al., 2021, section 4),
    and one length per output for DoRA."""
    linears = shape.linears
    names = list(linears) if targets == "all-linear" else [name for name in targets if name in linears]
    lengths = sum(linears[name][1] for name in names) if dora else 0
    return shape.layers * (rank * sum(sum(linears[name]) for name in names) + lengths)

"""How many weights a model has, from the numbers in its `config.json`, before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from novelray.errors import ModelError
from novelray.models.scratch import SIZES

DEEPSEEK = ("deepseek_v2", "deepseek_v3")


@dataclass(frozen=True)
class Latent:
    """Attention over compressed keys and values (DeepSeek-V2, section 2.1). Ranks and sizes per head; no `query_rank`:
    queries are not compressed."""

    query_rank: int | None
    rank: int
    plain: int
    rotary: int
    value: int


@dataclass(frozen=True)
class Experts:
    """A mixture of experts in all blocks but the first `dense` ones: `routed`, of which a token sees `chosen`, and
    `shared`, which see every token; each of `intermediate` units."""

    routed: int
    chosen: int
    shared: int
    intermediate: int
    dense: int


@dataclass(frozen=True)
class ModelShape:
    """A decoder with RMS norms and SwiGLU: Llama, Qwen2, Qwen3, Mistral and DeepSeek-LLM with grouped-query attention,
    DeepSeek-V2 and V3 with a latent one and experts."""

    vocab: int
    hidden: int
    layers: int
    heads: int
    key_value_heads: int
    intermediate: int
    head_dim: int
    tied: bool = False
    biased: tuple[str, ...] = ()  # linear layers with a bias
    head_norms: bool = False  # queries and keys are normalised, per head
    latent: Latent | None = None
    experts: Experts | None = None

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """The linear layers of one (dense) block: name → (inputs, outputs)."""
        return {
            **self.attention,
            "gate_proj": (self.hidden, self.intermediate),
            "up_proj": (self.hidden, self.intermediate),
            "down_proj": (self.intermediate, self.hidden),
        }

    @property
    def attention(self) -> dict[str, tuple[int, int]]:
        """Those of the attention."""
        if self.latent is None:
            query, key_value = self.heads * self.head_dim, self.key_value_heads * self.head_dim
            return {
                "q_proj": (self.hidden, query),
                "k_proj": (self.hidden, key_value),
                "v_proj": (self.hidden, key_value),
                "o_proj": (query, self.hidden),
            }
        part, queries = self.latent, self.heads * (self.latent.plain + self.latent.rotary)
        first = (
            {"q_proj": (self.hidden, queries)}
            if part.query_rank is None
            else {"q_a_proj": (self.hidden, part.query_rank), "q_b_proj": (part.query_rank, queries)}
        )
        return {
            **first,
            "kv_a_proj_with_mqa": (self.hidden, part.rank + part.rotary),
            "kv_b_proj": (part.rank, self.heads * (part.plain + part.value)),
            "o_proj": (self.heads * part.value, self.hidden),
        }

    @property
    def norms(self) -> int:
        """Weights of the norms in one block."""
        inner = 2 * self.head_dim if self.head_norms else 0
        if self.latent is not None:
            inner += self.latent.rank + (self.latent.query_rank or 0)
        return 2 * self.hidden + inner


def shape_of(config: Mapping[str, Any]) -> ModelShape:
    """The shape that a Hugging Face `config.json` describes.

    Raises ModelError when a number is missing, or when the model is of another shape (a mixture of experts that is not
    DeepSeek's).
    """
    deepseek = config.get("model_type") in DEEPSEEK
    if not deepseek and any(config.get(key) for key in ("num_experts", "num_local_experts", "n_routed_experts")):
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
            head_norms=config.get("model_type") == "qwen3",
            latent=_latent(config) if deepseek else None,
            experts=_experts(config) if deepseek and config.get("n_routed_experts") else None,
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


def _latent(config: Mapping[str, Any]) -> Latent:
    return Latent(
        query_rank=config.get("q_lora_rank"), rank=config["kv_lora_rank"], plain=config["qk_nope_head_dim"],
        rotary=config["qk_rope_head_dim"], value=config["v_head_dim"],
    )  # fmt: skip


def _experts(config: Mapping[str, Any]) -> Experts:
    return Experts(
        routed=config["n_routed_experts"], chosen=config.get("num_experts_per_tok") or 1,
        shared=config.get("n_shared_experts") or 0, intermediate=config["moe_intermediate_size"],
        dense=min(config.get("first_k_dense_replace") or 0, config["num_hidden_layers"]),
    )  # fmt: skip


def _biased(config: Mapping[str, Any]) -> tuple[str, ...]:
    if config.get("model_type") == "qwen2":
        return ("q_proj", "k_proj", "v_proj")
    attention = ("q_proj", "k_proj", "v_proj", "o_proj") if config.get("attention_bias") else ()
    return attention + (("gate_proj", "up_proj", "down_proj") if config.get("mlp_bias") else ())


def parameters(shape: ModelShape) -> int:
    """All weights."""
    return block_parameters(shape) + embedding_parameters(shape) + shape.hidden


def frozen_parameters(shape: ModelShape, layers: int) -> int:
    """Weights of so many of the lowest blocks and of the input embeddings."""
    return block_parameters(shape, layers) + shape.vocab * shape.hidden


def linear_parameters(shape: ModelShape) -> int:
    """Weights of the blocks' linear layers, without biases."""
    biases = sum(shape.linears[name][1] for name in shape.biased)
    return block_parameters(shape) - shape.layers * (shape.norms + biases)


def embedding_parameters(shape: ModelShape) -> int:
    """Weights of the input embeddings and of the output head, where it is not the same."""
    return shape.vocab * shape.hidden * (1 if shape.tied else 2)


def block_parameters(shape: ModelShape, lowest: int | None = None) -> int:
    """Weights of all blocks, or of the `lowest` ones."""
    layers = shape.layers if lowest is None else min(lowest, shape.layers)
    attention = sum(inputs * outputs for inputs, outputs in shape.attention.values()) + shape.norms
    attention += sum(shape.linears[name][1] for name in shape.biased)
    experts = shape.experts
    dense = layers if experts is None else min(experts.dense, layers)
    unit = 3 * shape.hidden  # gate, up and down
    total = layers * attention + dense * unit * shape.intermediate
    if experts is not None:
        each = (experts.routed + experts.shared) * unit * experts.intermediate + experts.routed * shape.hidden
        total += (layers - dense) * each
    return total


def lora_parameters(
    shape: ModelShape, rank: int, targets: tuple[str, ...] | Literal["all-linear"], dora: bool = False
) -> int:
    """Weights of the adapters: rank × (inputs + outputs) for each target in each block (Hu et al., 2021, section 4),
    and one length per output for DoRA. In a mixture of experts the attention alone gets any (models/adapters.py)."""
    linears, names = _adapted(shape, targets)
    lengths = sum(linears[name][1] for name in names) if dora else 0
    return shape.layers * (rank * sum(sum(linears[name]) for name in names) + lengths)


def prefix_parameters(shape: ModelShape, tokens: int, projection: int | None) -> int:
    """Weights that prefix tuning trains: a key and a value for each layer and token (Li and Liang, 2021), or the two
    layers of the network that they come from, and its inputs."""
    width = shape.key_value_heads * shape.head_dim
    whole = 2 * shape.layers * width
    if projection is None:
        return tokens * whole
    return tokens * width + (width + 1) * projection + (projection + 1) * whole


def adapted_parameters(shape: ModelShape, targets: tuple[str, ...] | Literal["all-linear"]) -> int:
    """Weights of the matrices under the adapters."""
    linears, names = _adapted(shape, targets)
    return shape.layers * sum(inputs * outputs for inputs, outputs in (linears[name] for name in names))


def _adapted(
    shape: ModelShape, targets: tuple[str, ...] | Literal["all-linear"]
) -> tuple[Mapping[str, tuple[int, int]], list[str]]:
    """The linear layers of a block that can have adapters, and the names of those that have."""
    linears = shape.attention if shape.experts else shape.linears
    return linears, list(linears) if targets == "all-linear" else [name for name in targets if name in linears]

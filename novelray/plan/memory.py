"""Memory that one training worker needs, by arithmetic. An estimate: kernels, fragmentation and libraries come on top.

Sources of the formulae:
- weights, gradients, optimiser and how ZeRO divides them: Rajbhandari et al., "ZeRO" (2020), section 3.1 and figure 1;
- a base in NF4 with doubly quantised scales: 4.127 bits a weight, Dettmers et al., "QLoRA" (2023), section 3; in int8
  one fp32 scale for each output, which is little;
- activations: what a block keeps for the backward pass, counted tensor by tensor (`_block`) for the models as
  transformers computes them with SDPA attention; a test counts them in the real models. Latent attention and experts
  (DeepSeek-V2, V3) keep more than is counted here, up to twice as much in tiny models. With recomputation (Chen et
  al., 2016) a block's input stays, and one block is whole at a time;
- logits: tokens × vocabulary, once for the value and once for its gradient, in fp32, of a chunk where the objective
  works in chunks.
"""

from __future__ import annotations

from dataclasses import dataclass

from novelray.plan.shape import (
    ModelShape,
    adapted_parameters,
    frozen_parameters,
    linear_parameters,
    lora_parameters,
    parameters,
    prefix_parameters,
)
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.train import LoraSection, PrefixSection, StageSection

MOMENTS = 8  # bytes per trained weight: AdamW's two in fp32
MOMENTS_8BIT = 2 * (1 + 4 / 256)  # the same in 8 bits, with one fp32 scale for 256 of them: Dettmers et al. (2022)
MASTER = 4  # bytes per trained weight: the fp32 copy that bf16 training and every ZeRO stage from 1 on keep
FISHER = 2  # bytes per weight that EWC holds back
LIVE = 10**9  # weights that ZeRO-3 has whole on a device at once (train/engine.py)
BYTES_OF_BITS = {4: 4.127 / 8, 8: 1.0}  # per weight of a quantised base
BIG_VOCABULARY, CHUNK = 32_000, 2048  # from which vocabulary on, and in chunks of how many tokens (train/objective.py)


@dataclass(frozen=True)
class Strategy:
    """How the training state is laid out over workers. Without `lora` and `prefix` every weight is trained, but for
    those of the lower `frozen` layers and the embeddings. `bits`: of the linear layers' weights under an adapter, where
    they are fewer."""

    lora: LoraSection | None = None
    prefix: PrefixSection | None = None
    frozen: int = 0
    bits: int | None = None
    bf16: bool = False
    zero: int = 0
    workers: int = 1
    offload: bool = False
    offload_weights: bool = False
    small_moments: bool = False
    ewc: bool = False
    micro_batch: int = 1
    context: int = 1024
    recompute: bool = False

    @property
    def frozen_base(self) -> bool:
        """Whether no weight of the base is trained."""
        return self.lora is not None or self.prefix is not None

    @property
    def size(self) -> int:
        """Bytes of a number that is computed with."""
        return 2 if self.bf16 else 4

    @property
    def tokens(self) -> int:
        """Tokens that a worker computes at once."""
        return self.micro_batch * self.context


@dataclass(frozen=True)
class Memory:
    """Bytes on one worker's device; `host` lies in CPU memory because of offloading."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    host: int = 0
    penalty: int = 0

    @property
    def total(self) -> int:
        """Bytes on the device."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.penalty

    @property
    def parts(self) -> dict[str, int]:
        """What the total is made of, under names for people."""
        parts = {"weights": self.weights, "gradients": self.gradients, "optimiser": self.optimizer}
        parts |= {"activations": self.activations, "logits": self.logits}
        return parts | ({"EWC": self.penalty} if self.penalty else {})


def strategy_of(stage: StageSection, scaling: ScalingSection, context: int, bf16: bool) -> Strategy:
    """What a stage of a recipe asks for. `bf16`: whether the workers have it."""
    return Strategy(
        lora=stage.lora if stage.adapts else None, prefix=stage.prefix if stage.method == "prefix" else None,
        frozen=stage.freeze_layers,
        bits=stage.bits if stage.method == "qlora" else None, zero=scaling.zero, workers=scaling.workers,
        bf16=stage.precision == "bf16" or (stage.precision == "auto" and bf16), context=context,
        offload=scaling.offload != "none", offload_weights=scaling.offload == "parameters",
        small_moments=stage.optimizer == "adamw8bit", ewc=stage.continual.ewc is not None,
        micro_batch=stage.micro_batch, recompute=stage.activation_checkpointing,
    )  # fmt: skip


def estimate(shape: ModelShape, strategy: Strategy) -> Memory:
    """Memory per worker for AdamW."""
    trained, n = trained_by(shape, strategy), strategy.workers
    zero = max(strategy.zero, 1) if strategy.bf16 else strategy.zero
    state = (MOMENTS_8BIT if strategy.small_moments else MOMENTS) + (MASTER if zero >= 1 else 0)
    optimizer = int(state * trained) // (n if zero >= 1 else 1)
    weights = _weights(shape, strategy) // (n if zero >= 3 else 1)
    return Memory(
        weights=min(weights, strategy.size * LIVE) if strategy.offload_weights else weights,
        gradients=strategy.size * trained // (n if zero >= 2 else 1),
        optimizer=0 if strategy.offload else optimizer,
        activations=_activations(shape, strategy),
        logits=_logits(shape, strategy),
        host=(optimizer if strategy.offload else 0) + (weights if strategy.offload_weights else 0),
        penalty=_penalty(shape, strategy) if strategy.ewc else 0,
    )


def trained_by(shape: ModelShape, strategy: Strategy) -> int:
    """Weights that the optimiser changes."""
    if strategy.prefix is not None:
        return prefix_parameters(shape, strategy.prefix.tokens, strategy.prefix.projection)
    return trained_parameters(shape, strategy.lora, strategy.frozen)


def trained_parameters(shape: ModelShape, lora: LoraSection | None, frozen: int = 0) -> int:
    """Weights that the optimiser changes: all but those of `frozen` layers and the embeddings, or the adapters."""
    if lora is None:
        return parameters(shape) - (frozen_parameters(shape, frozen) if frozen else 0)
    return lora_parameters(shape, lora.rank, lora.targets, lora.dora)


def _penalty(shape: ModelShape, strategy: Strategy) -> int:
    """A worker's share of what EWC holds (train/continual.py): the Fisher information in bf16 of every weight that may
    move, and where these started; of matrices under an adapter that is needed with PiSSA alone, in fp32. Measuring the
    information takes 4 bytes a weight for a while, before there is an optimiser, in CPU memory where the device has no
    room."""
    if strategy.lora is None:
        return (FISHER + strategy.size) * trained_parameters(shape, None, strategy.frozen) // strategy.workers
    start = 4 if strategy.lora.init == "pissa" else 0
    return (FISHER + start) * adapted_parameters(shape, strategy.lora.targets) // strategy.workers


def _weights(shape: ModelShape, strategy: Strategy) -> int:
    added = trained_by(shape, strategy) if strategy.frozen_base else 0
    saved = strategy.size - BYTES_OF_BITS[strategy.bits] if strategy.bits else 0.0
    return strategy.size * (parameters(shape) + added) - round(saved * linear_parameters(shape))


def _activations(shape: ModelShape, strategy: Strategy) -> int:
    """All blocks that a gradient goes through, the norm behind them, and the rows that the head is applied to."""
    tokens, size = strategy.tokens, strategy.size
    end = tokens * shape.hidden * (4 + size * (1 if strategy.frozen_base else 2))
    layers = shape.layers - strategy.frozen
    whole = [_block(shape, strategy, layer) for layer in range(strategy.frozen, shape.layers)]
    if strategy.recompute:
        return end + layers * tokens * shape.hidden * size + max(whole)
    return end + sum(whole)


def _block(shape: ModelShape, strategy: Strategy, layer: int) -> int:
    """What one block keeps. Per token: the input of each norm in fp32, what it makes of it, with its weight and
    without; queries, keys, values and result of the attention; of SwiGLU the gate before and after, the other side and
    the product. And per row the mask that keeps its documents apart, context × context."""
    size, hidden = strategy.size, shape.hidden
    per_token = 2 * hidden * (4 + size) + (0 if strategy.frozen_base else 2 * hidden * size)
    per_token += _attention(shape, size) + 4 * size * _units(shape, layer)
    if strategy.lora is not None:
        linears = shape.attention if shape.experts else shape.linears
        targets = strategy.lora.targets
        adapted = linears if targets == "all-linear" else [name for name in linears if name in targets]
        per_token += len(adapted) * strategy.lora.rank * size
    keys = strategy.context + (strategy.prefix.tokens if strategy.prefix else 0)
    mask = strategy.micro_batch * strategy.context * keys * size
    return strategy.tokens * per_token + mask


def _attention(shape: ModelShape, size: int) -> int:
    """Bytes per token of queries, keys and values (repeated for every head), and the result; and its sums in fp32."""
    if shape.latent is None:
        widths = 4 * shape.heads * shape.head_dim
        return widths * size + 4 * shape.heads + (2 * shape.heads * shape.head_dim * 4 if shape.head_norms else 0)
    part = shape.latent
    whole = part.plain + part.rotary
    inner = (part.rank + (part.query_rank or 0)) * (4 + 2 * size)
    return (shape.heads * (2 * whole + 2 * part.value) + part.rank) * size + inner + 4 * shape.heads


def _units(shape: ModelShape, layer: int) -> int:
    """Intermediate units that a token goes through; in a mixture of experts with its copies on the way to them."""
    experts = shape.experts
    if experts is None or layer < experts.dense:
        return shape.intermediate
    return (experts.chosen + experts.shared) * experts.intermediate + experts.chosen * shape.hidden // 2


def _logits(shape: ModelShape, strategy: Strategy) -> int:
    tokens = min(strategy.tokens, CHUNK) if shape.vocab >= BIG_VOCABULARY else strategy.tokens
    return tokens * shape.vocab * (4 + 4 + (strategy.size if strategy.bf16 else 0))

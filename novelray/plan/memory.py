"""Memory that one training worker needs, by arithmetic. An estimate: kernels, fragmentation and libraries come on top.

Sources of the formulae:
- weights, gradients, optimiser and how ZeRO divides them: Rajbhandari et al., "ZeRO" (2020), section 3.1 and figure 1;
- activations of a block without stored attention scores, 34 × tokens × hidden bytes at two bytes a number, and 2 × with
  full recomputation: Korthikanti et al., "Reducing Activation Recomputation" (2022), equations 1 and 2;
- a base in NF4 with doubly quantised scales: 4.127 bits a weight, Dettmers et al., "QLoRA" (2023), section 3; in int8
  one fp32 scale for each output, which is little;
- logits: tokens × vocabulary, in fp32, once for the value and once for its gradient (our objective).
"""

from __future__ import annotations

from dataclasses import dataclass

from novelray.plan.shape import ModelShape, frozen_parameters, linear_parameters, lora_parameters, parameters
from novelray.recipe.train import LoraSection

MOMENTS = 8  # bytes per trained weight: AdamW's two in fp32
BYTES_OF_BITS = {4: 4.127 / 8, 8: 1.0}  # per weight of a quantised base
MASTER = 4  # bytes per trained weight: the fp32 copy that bf16 training and every ZeRO stage from 1 on keep


@dataclass(frozen=True)
class Strategy:
    """How the training state is laid out over workers. `lora` None: every weight is trained, but for those of the lower
    `frozen` layers and the embeddings. `bits`: of the linear layers' weights under an adapter, where they are fewer."""

    lora: LoraSection | None = None
    frozen: int = 0
    bits: int | None = None
    bf16: bool = False
    zero: int = 0
    workers: int = 1
    offload: bool = False
    micro_batch: int = 1
    context: int = 1024
    recompute: bool = False


@dataclass(frozen=True)
class Memory:
    """Bytes on one worker's device; `host` lies in CPU memory because of offloading."""

    weights: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    host: int = 0

    @property
    def total(self) -> int:
        """Bytes on the device."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits


def estimate(shape: ModelShape, strategy: Strategy) -> Memory:
    """Memory per worker for AdamW."""
    everything = parameters(shape)
    trained = trained_parameters(shape, strategy.lora, strategy.frozen)
    size, n = (2 if strategy.bf16 else 4), strategy.workers
    zero = max(strategy.zero, 1) if strategy.bf16 else strategy.zero
    weights = size * (everything + (trained if strategy.lora else 0))
    if strategy.bits:
        quantised = linear_parameters(shape)
        weights -= round(quantised * (size - BYTES_OF_BITS[strategy.bits]))
    state = MOMENTS + (MASTER if zero >= 1 else 0)
    optimizer = state * trained // (n if zero >= 1 else 1)
    return Memory(
        weights=weights // (n if zero >= 3 else 1),
        gradients=size * trained // (n if zero >= 2 else 1),
        optimizer=0 if strategy.offload else optimizer,
        activations=_activations(shape, strategy, size),
        logits=2 * 4 * strategy.micro_batch * strategy.context * shape.vocab,
        host=optimizer if strategy.offload else 0,
    )


def trained_parameters(shape: ModelShape, lora: LoraSection | None, frozen: int = 0) -> int:
    """Weights that the optimiser changes: all but those of `frozen` layers and the embeddings, or the adapters."""
    if lora is None:
        return parameters(shape) - (frozen_parameters(shape, frozen) if frozen else 0)
    return lora_parameters(shape, lora.rank, lora.targets, lora.dora)


def _activations(shape: ModelShape, strategy: Strategy, size: int) -> int:
    """A block keeps 34 bytes per token and hidden unit, or 2 with recomputation, which then needs one block whole."""
    unit = strategy.micro_batch * strategy.context * shape.hidden * size // 2
    return unit * (2 * shape.layers + 34 if strategy.recompute else 34 * shape.layers)

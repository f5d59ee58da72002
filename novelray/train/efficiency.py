"""How well a run uses its machine: model FLOP utilisation (MFU), work per second, peak memory.

What is counted. A weight in a matrix costs 2 floating-point operations per token forward, 2 more for the gradient that
passes through it, and 2 more for its own gradient where it is trained. So with N weights in matrices, a token costs 6N
in full fine-tuning and 4N with adapters on a frozen base; layers below the lowest trained one cost 2N alone. Of
experts those count that a token is sent to. Not counted: the look-up in the embedding table, attention's own products
(which grow with the length of a document), what is recomputed for activation checkpointing, tokens that are not
trained. MFU is that over what the GPU's data sheet gives for dense bf16 (V100 and T4, which have none: fp16).
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PEAKS: tuple[tuple[str, float], ...] = (
    ("GB200", 2.5e15), ("B200", 2.25e15), ("H200", 989e12), ("GH200", 989e12), ("H800", 989e12), ("H20", 148e12),
    ("H100 PCIe", 756e12), ("H100 NVL", 835e12), ("H100", 989e12), ("A100", 312e12), ("A800", 312e12),
    ("L40S", 362e12), ("L40", 181e12), ("L4", 121e12), ("A40", 149.7e12), ("A30", 165e12), ("A10G", 70e12),
    ("A10", 125e12), ("RTX 6000 Ada", 364e12), ("RTX A6000", 155e12), ("RTX 5090", 209.5e12), ("RTX 4090", 165e12),
    ("RTX 3090", 71e12), ("V100", 125e12), ("T4", 65e12),
)  # fmt: skip
"""Part of a GPU's name → its dense bf16 FLOP/s with fp32 accumulation. The first that fits counts."""


@dataclass(frozen=True)
class Efficiency:
    """What a token costs, and what a run's machines could do. `peak`: FLOP/s per worker; None where it is not known."""

    flops_per_token: float
    workers: int
    peak: float | None
    device: str

    @classmethod
    def of(cls, model: torch.nn.Module, workers: int, device: str) -> Efficiency:
        """That of training `model` on so many workers like this one."""
        import torch

        name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
        return cls(flops_per_token(model), workers, peak_flops(name), device)

    def figures(self, tokens_per_s: float) -> dict[str, float]:
        """`flops_per_s` of all workers, `mfu` (0 to 1) on a GPU that is known, this worker's `memory_peak` in bytes."""
        rate = tokens_per_s * self.flops_per_token
        used = {} if self.peak is None else {"mfu": round(rate / (self.peak * self.workers), 5)}
        return {"flops_per_s": round(rate), **used, "memory_peak": memory_peak(self.device)}


def peak_flops(gpu: str) -> float | None:
    """Dense bf16 FLOP/s of a GPU by its name (`NVIDIA H100 80GB HBM3`); None for one that is not in the table."""
    return next((peak for part, peak in PEAKS if part in gpu), None)


def memory_peak(device: str) -> int:
    """The most memory that this worker has held so far, in bytes: the GPU's, by tensors; on a CPU the process's."""
    if device.startswith("cuda"):
        import torch

        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def flops_per_token(model: torch.nn.Module) -> float:
    """Floating-point operations of one trained token, forward and backward, by the rule above."""
    matrices = list(_matrices(model))
    trains = [own for _, own, _ in matrices]
    # Prefixes feed every layer from outside of the list, so the gradient passes through all of it.
    lowest = trains.index(True) if True in trains and not _has_prefix(model) else 0
    total = 0.0
    for place, (weights, _, trained) in enumerate(matrices):
        total += weights * (2 + (2 if place >= lowest else 0) + (2 if trained else 0))
    return total


def _has_prefix(model: torch.nn.Module) -> bool:
    return any(hasattr(module, "prompt_encoder") for module in model.modules())


def _matrices(model: torch.nn.Module) -> Iterator[tuple[float, bool, bool]]:
    """(weights that a token meets, is something of the module trained, is the matrix trained), from the first layer on.

    Modules without matrices are there too, with no weights: an embedding that is trained is the lowest thing trained.
    """
    import torch

    for module in model.modules():
        own = list(module.parameters(recurse=False))
        trained = any(p.requires_grad for p in own)
        if isinstance(module, torch.nn.Linear):  # also a quantised one, whose tensor has another size
            yield module.in_features * module.out_features, trained, module.weight.requires_grad
        elif experts := [shape for p in own if len(shape := tuple(getattr(p, "ds_shape", p.shape))) == 3]:
            yield sum(map(prod, experts)) * _share_of_experts(model, experts[0][0]), trained, trained
        elif trained:
            yield 0.0, True, True


def _share_of_experts(model: torch.nn.Module, experts: int) -> float:
    """The share of a layer's experts that one token is sent to."""
    configs: list[Any] = [module.config for module in model.modules() if hasattr(module, "config")]
    chosen = next((c.num_experts_per_tok for c in configs if getattr(c, "num_experts_per_tok", None)), experts)
    return float(min(1.0, chosen / experts))

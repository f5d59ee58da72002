"""PiSSA: adapters that start as the principal part of each weight (Meng et al., 2024).

Training: s B0 A0 is the best approximation of W of the adapter's rank, the base keeps W - s B0 A0, and A and B are
trained from there. Stored: an ordinary adapter for the unchanged W, whose update s (B A - B0 A0) has twice the rank. So
A0 and B0 go with every commit: computed again on another machine they could differ, in signs for one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    Tensors = dict[str, torch.Tensor]

POWER_ITERATIONS = 8


def principal_parts(model: PreTrainedModel, seed: int) -> Tensors:
    """A0 and B0 by the names of the model's adapter weights: fp32, on the CPU, rounded to what these weights can hold.

    The decomposition is a randomised one (Halko et al., 2011): an exact one takes minutes for each weight of a big
    model.
    Raises ModelError when the rank is more than a weight has.
    """
    import torch

    torch.manual_seed(seed)
    found: Tensors = {}
    for name, layer in _adapted(model):
        down, up, scale = layer.lora_A["default"].weight, layer.lora_B["default"].weight, layer.scaling["default"]
        weight, rank = layer.get_base_layer().weight.detach().float(), len(down)
        if rank > min(weight.shape):
            raise ModelError(
                f"train.lora.rank is {rank}, and {name} has only {min(weight.shape)} principal components.",
                f"Set it to at most {min(weight.shape)}, or train.lora.init to zero.",
            )
        left, sizes, right = torch.svd_lowrank(weight, q=min(2 * rank, *weight.shape), niter=POWER_ITERATIONS)
        roots = (sizes[:rank] / scale).sqrt()
        found[f"{name}.lora_A.default.weight"] = _as_held(roots[:, None] * right[:, :rank].T, down)
        found[f"{name}.lora_B.default.weight"] = _as_held(left[:, :rank] * roots, up)
    return found


def take_out(model: PreTrainedModel, initial: Tensors) -> None:
    """Put A0 and B0 into the adapters and take them out of the base, so that the outputs stay. In place."""
    for name, layer in _adapted(model):
        down, up = initial[f"{name}.lora_A.default.weight"], initial[f"{name}.lora_B.default.weight"]
        base = layer.get_base_layer().weight
        base.data.copy_(base.detach().float() - layer.scaling["default"] * (up @ down))
        layer.lora_A["default"].weight.data.copy_(down)
        layer.lora_B["default"].weight.data.copy_(up)


def for_the_whole_base(
    weights: Iterable[tuple[str, torch.Tensor]], initial: Tensors
) -> Iterator[tuple[str, torch.Tensor]]:
    """Adapter weights (name, fp32 tensor) for the base as it was: [A; A0] and [B, -B0]; others as they are."""
    import torch

    for name, tensor in weights:
        if ".lora_A." in name:
            yield name, torch.cat([tensor, initial[name]])
        elif ".lora_B." in name:
            yield name, torch.cat([tensor, -initial[name]], dim=1)
        else:
            yield name, tensor


def _adapted(model: PreTrainedModel) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLayer))


def _as_held(value: torch.Tensor, parameter: torch.nn.Parameter) -> torch.Tensor:
    """Rounded to what the parameter can hold: it is this that is taken out of the base."""
    return value.to(parameter.dtype).float().contiguous()

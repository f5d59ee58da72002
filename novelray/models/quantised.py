"""A frozen base in 4 or 8 bits, for adapters that are trained on it (QLoRA, Dettmers et al., 2023).

The weights of the linear layers are stored in NF4 (4 bits, with doubly quantised scales) or int8 by bitsandbytes, and
brought back to the precision of the run piece by piece as they are used. It works on CPUs too: there it saves memory
and costs time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from novelray.errors import missing_package
from novelray.models.adapters import all_linear

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def quantise(model: PreTrainedModel, bits: Literal[4, 8], device: str = "cpu") -> PreTrainedModel:
    """The model with its linear layers quantised, in place; those layers lie on `device` afterwards.

    The output head, embeddings and norms stay as they are, and so do the experts of a mixture.
    Raises NovelRayError when bitsandbytes is not installed.
    """
    try:
        import bitsandbytes
    except ImportError:
        raise missing_package("bitsandbytes", "quantised") from None
    make = _four_bits if bits == 4 else _eight_bits
    for name in all_linear(model):
        parent, _, child = name.rpartition(".")
        owner = model.get_submodule(parent)
        setattr(owner, child, _always_training(make(bitsandbytes, getattr(owner, child)).to(device)))
    setattr(model, f"is_loaded_in_{bits}bit", True)  # PEFT asks for it
    return model


def _four_bits(bnb: Any, linear: torch.nn.Linear) -> torch.nn.Module:
    layer: torch.nn.Module = bnb.nn.Linear4bit(
        linear.in_features, linear.out_features, bias=linear.bias is not None, compute_dtype=linear.weight.dtype,
        compress_statistics=True, quant_type="nf4", device="meta",
    )  # fmt: skip
    layer.weight = bnb.nn.Params4bit(
        linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=layer
    )
    layer.bias = linear.bias
    return layer


def _eight_bits(bnb: Any, linear: torch.nn.Linear) -> torch.nn.Module:
    # Threshold 0: no column is left out as an outlier, since which are would depend on the other rows of the batch.
    layer: torch.nn.Module = bnb.nn.Linear8bitLt(
        linear.in_features, linear.out_features, bias=linear.bias is not None, has_fp16_weights=False, threshold=0.0,
        device="meta",
    )  # fmt: skip
    layer.weight = bnb.nn.Int8Params(linear.weight.data, requires_grad=False, has_fp16_weights=False)
    layer.bias = linear.bias
    return layer


def _always_training(layer: torch.nn.Module) -> torch.nn.Module:
    """A layer that evaluation mode does not reach. In it bitsandbytes on the CPU rounds the inputs of 8-bit layers and,
    on processors with AVX-512 bf16, packs 4-bit weights anew, with scales rounded to bf16 that are not restored: a
    validation would measure another model, or change this one."""
    layer.train()
    layer.train = lambda mode=True: layer  # type: ignore[assignment, method-assign]
    return layer

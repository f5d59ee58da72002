"""Layers compiled one by one with torch.compile: the layers of a model are alike, so that one compilation serves all.

A whole model takes as much longer to compile as it has layers, and breaks at whatever a family does between them. The
layers are where the time is (regional compilation, PyTorch's own advice).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from novelray.errors import TrainError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def compile_layers(model: PreTrainedModel) -> None:
    """Have each layer compiled when it is first called. Raises TrainError when there is no compiler for it.

    Dropout draws the numbers that it draws without compilation.
    """
    import torch

    _check_compiler(next(model.parameters()).device.type)
    torch._inductor.config.fallback_random = True
    torch._dynamo.config.recompile_limit = 64  # training and validation, the first layer and the others, stage by stage
    decoder: Any = model.get_decoder()
    for layer in decoder.layers:
        layer.compile()


def _check_compiler(device: str) -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler

    if device != "cpu":
        return  # Triton comes with PyTorch
    try:
        get_cpp_compiler()
    except (InvalidCxxCompiler, OSError) as error:
        raise TrainError(
            "train.compile needs a C++ compiler on every worker.", "Install g++, or leave it out."
        ) from error

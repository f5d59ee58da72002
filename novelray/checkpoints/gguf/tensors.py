"""A model's weights as GGUF tensors, one at a time: names, llama.cpp's order of rotary heads, number formats."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from novelray.checkpoints.gguf.architecture import rope_factors
from novelray.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from gguf import GGMLQuantizationType

Dtype = Literal["f32", "f16", "bf16", "q8_0"]
BLOCK = 32
"""Weights in a row that share one scale in q8_0."""


@dataclass(frozen=True)
class Piece:
    """A tensor of the file: where its weights are, and how it is stored. `heads` > 0: its rows are rotary heads."""

    name: str
    source: torch.Tensor
    kind: GGMLQuantizationType
    heads: int

    def values(self) -> np.ndarray:
        """The weights in fp32, in the file's order; a copy of this tensor alone."""
        found: np.ndarray = self.source.detach().float().cpu().numpy()
        return permuted(found, self.heads) if self.heads else found

    def stored(self) -> np.ndarray:
        """What is written: [rows, bytes] for the formats that numpy does not have."""
        import gguf
        import numpy as np

        with np.errstate(over="ignore"):  # what f16 cannot hold is told when the file is read again
            return np.ascontiguousarray(gguf.quants.quantize(self.values(), self.kind))


def pieces(weights: Mapping[str, torch.Tensor], config: Mapping[str, Any], dtype: Dtype) -> Iterator[Piece]:
    """The tensors of the file, in the model's order. `weights`: the model's own, by name, not copied here.

    Raises ModelError for a weight that has no place in the file.
    """
    import gguf
    import torch

    architecture = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}[config["model_type"]]
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    for name, weight in weights.items():
        if name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue  # a file without it: llama.cpp takes the embeddings
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(f"GGUF has no name for the weight {name}.", "Export with --format merged instead.")
        yield Piece(found, weight, _kind(weight, dtype), _heads(name, config))
    factors = rope_factors(config)
    if factors is not None:
        yield Piece("rope_freqs.weight", torch.from_numpy(factors), gguf.GGMLQuantizationType.F32, 0)


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows of each head from halves (transformers rotates i with i + d/2) to pairs (llama.cpp: 2i with 2i + 1)."""
    half = weight.shape[0] // heads // 2
    moved: np.ndarray = weight.reshape(heads, 2, half, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    return moved


def _heads(name: str, config: Mapping[str, Any]) -> int:
    """How many heads have their rows moved. Of the three architectures llama.cpp rotates pairs in Llama's alone."""
    found = re.search(r"\.(q|k)_proj\.(weight|bias)$", name)
    if config["model_type"] != "llama" or found is None:
        return 0
    key = config.get("num_key_value_heads") if found[1] == "k" else None
    return int(key or config["num_attention_heads"])


def _kind(weight: torch.Tensor, dtype: Dtype) -> GGMLQuantizationType:
    """Matrices in the format asked for; vectors are few and stay in fp32, and a row that 32 does not divide in f16."""
    import gguf

    kinds = gguf.GGMLQuantizationType
    if weight.dim() < 2:
        return kinds.F32
    if dtype == "q8_0" and weight.shape[-1] % BLOCK:
        return kinds.F16
    return {"f32": kinds.F32, "f16": kinds.F16, "bf16": kinds.BF16, "q8_0": kinds.Q8_0}[dtype]

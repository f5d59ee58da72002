"""Several adapters as one, exactly: their ranks side by side.

w₁s₁B₁A₁ + w₂s₂B₂A₂ = [w₁s₁B₁ w₂s₂B₂] [A₁; A₂], with s the adapters' own scales and w the weights of the style. Where an
adapter leaves a layer alone, its ranks are zeros there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from novelray.errors import ModelError
from novelray.generate.lora import read_config, read_weights

DOWN, UP = ".lora_A.weight", ".lora_B.weight"

Part = tuple[Mapping[str, torch.Tensor], int, float]
"""An adapter's tensors, its rank, and what its B is multiplied with."""


def rank_of(folder: Path, adapter_id: str) -> int:
    """The rank of the adapter in a PEFT folder. Raises ModelError when vLLM would not compute it as it was trained."""
    config = read_config(folder)
    if config.get("use_dora"):
        raise ModelError(
            f"The adapter {adapter_id} is DoRA, which vLLM does not compute.",
            "Set serve.engine to embedded, or merge the adapter into its base.",
        )
    return int(config["r"])


def write_blend(folder: Path, parts: Sequence[tuple[Path, float]]) -> None:
    """Write a PEFT folder that adds what the adapters in `parts` add, each times its weight. Raises ModelError."""
    from safetensors.torch import save_file

    read = [_part(source, weight) for source, weight in parts]
    rank = sum(rank for _, rank, _ in read)
    tensors = _joined(read)
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": rank, "bias": "none",
        "target_modules": sorted({key.removesuffix(DOWN).rpartition(".")[2] for key in tensors if key.endswith(DOWN)}),
    }  # fmt: skip
    folder.mkdir(parents=True)
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(config), "utf-8")


def _part(source: Path, weight: float) -> Part:
    config, tensors = read_config(source), read_weights(source)
    rank = int(config["r"])
    scale = float(config["lora_alpha"]) / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return {name: tensor.float() for name, tensor in tensors.items()}, rank, weight * scale


def _joined(parts: Sequence[Part]) -> dict[str, torch.Tensor]:
    layers = sorted({name.removesuffix(DOWN) for tensors, _, _ in parts for name in tensors if name.endswith(DOWN)})
    found: dict[str, torch.Tensor] = {}
    for layer in layers:
        like = next(tensors for tensors, _, _ in parts if layer + DOWN in tensors)
        inputs, outputs = like[layer + DOWN].shape[1], like[layer + UP].shape[0]
        downs, ups = [], []
        for tensors, rank, factor in parts:
            downs.append(tensors.get(layer + DOWN, torch.zeros(rank, inputs)))
            ups.append(tensors.get(layer + UP, torch.zeros(outputs, rank)) * factor)
        found[layer + DOWN], found[layer + UP] = torch.cat(downs), torch.cat(ups, dim=1)
    return found

"""Adapters put side by side add exactly what they add apart."""

from __future__ import annotations

import json

import torch
from safetensors.torch import load_file, save_file

from novelray.generate.on_vllm.blend import DOWN, UP, write_blend


def adapter(folder, layers, rank, alpha, seed, **config):
    torch.manual_seed(seed)
    folder.mkdir()
    tensors = {}
    for layer in layers:
        tensors |= {layer + DOWN: torch.randn(rank, 6), layer + UP: torch.randn(5, rank)}
    save_file(tensors, folder / "adapter_model.safetensors")
    about = {"peft_type": "LORA", "r": rank, "lora_alpha": alpha, "target_modules": ["q_proj"], **config}
    (folder / "adapter_config.json").write_text(json.dumps(about))
    return tensors


def test_ranks_scales_and_layers_of_each_adapter_count_as_they_are(tmp_path):
    q, v = "base_model.model.layers.0.q_proj", "base_model.model.layers.0.v_proj"
    one = adapter(tmp_path / "one", [q], 2, 8, 1)
    two = adapter(tmp_path / "two", [q, v], 4, 6, 2, use_rslora=True)
    write_blend(tmp_path / "both", [(tmp_path / "one", 0.7), (tmp_path / "two", -0.3)])
    both = load_file(tmp_path / "both" / "adapter_model.safetensors")
    about = json.loads((tmp_path / "both" / "adapter_config.json").read_text())
    assert (about["r"], about["lora_alpha"], about["target_modules"]) == (6, 6, ["q_proj", "v_proj"])
    assert all(both[layer + DOWN].shape == (6, 6) for layer in (q, v)), "vLLM takes one rank for all layers"
    apart = {q: 0.7 * 4 * one[q + UP] @ one[q + DOWN] - 0.3 * 3 * two[q + UP] @ two[q + DOWN]}
    apart[v] = -0.3 * 3 * two[v + UP] @ two[v + DOWN]
    for layer, expected in apart.items():
        torch.testing.assert_close(both[layer + UP] @ both[layer + DOWN], expected)

"""From a commit's whole fp32 tensors to the folder that other programs load: Hugging Face or PEFT, safetensors only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WEIGHT = "weight/"
"""Prefix of a trained weight's name in a commit; moments have `exp_avg/` and `exp_avg_sq/`."""


def export_full(
    tensors: Iterable[tuple[str, torch.Tensor]], dtype: torch.dtype, config: dict[str, Any], folder: Path
) -> None:
    """Write config.json and model*.safetensors (pieces of at most 5 GB) in `dtype`."""
    from huggingface_hub import save_torch_state_dict

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name.removeprefix(WEIGHT): tensor.to(dtype) for name, tensor in tensors}
    save_torch_state_dict(weights, str(folder), safe_serialization=True)
    stated = {**config, "dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(stated, indent=2, sort_keys=True), "utf-8")


def export_adapter(tensors: Iterable[tuple[str, torch.Tensor]], adapter_config: bytes, folder: Path) -> None:
    """Write adapter_config.json and adapter_model.safetensors (fp32) as PEFT reads them."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {_peft_name(name.removeprefix(WEIGHT)): tensor.contiguous() for name, tensor in tensors}
    save_file(weights, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    (folder / "adapter_config.json").write_bytes(adapter_config)


def adapted_modules(names: Iterable[str]) -> list[str]:
    """Short names (`q_proj`) of the modules that LoRA weights belong to."""
    return sorted({match.group(1) for name in names if (match := re.search(r"(\w+)\.lora_[AB]\.", name))})


def _peft_name(name: str) -> str:
    """PEFT stores `base_model.model.<module>.lora_A.weight`, without the adapter's name."""
    return "base_model.model." + re.sub(r"\.(lora_\w+)\.default\.", r".\1.", name)

"""From a commit's whole fp32 tensors to the folder that other programs load: Hugging Face or PEFT, safetensors only."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

WEIGHT = "weight/"
"""Prefix of a trained weight's name in a commit; moments have `exp_avg/` and `exp_avg_sq/`."""


def export_full(
    tensors: Iterable[tuple[str, torch.Tensor]], dtype: torch.dtype, model: PreTrainedModel, folder: Path
) -> None:
    """Write config.json and model*.safetensors (pieces of at most 5 GB), weights in `dtype`.

    `model` gives the configuration, the names that its architecture has on disk (experts one by one) and what is no
    weight but belongs to it (the experts' balance of DeepSeek-V3); its own weights are not read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name.removeprefix(WEIGHT): tensor.to(dtype) for name, tensor in tensors}
    with _quiet():
        model.save_pretrained(str(folder), state_dict={**_buffers(model), **weights}, max_shard_size="5GB")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    stated = {**config, "dtype": str(dtype).removeprefix("torch.")}
    (folder / "config.json").write_text(json.dumps(stated, indent=2, sort_keys=True), "utf-8")


def _buffers(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """The buffers that a checkpoint of this architecture has."""
    kept = model.state_dict().keys()
    return {name: buffer.detach().cpu() for name, buffer in model.named_buffers() if name in kept}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar of the library's in the workers' logs."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


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

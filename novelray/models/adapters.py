"""LoRA adapters on a base: putting them in, reading them from a folder, merging them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError
from novelray.models.fits import check_adapter
from novelray.recipe.train import LoraSection

if TYPE_CHECKING:
    from transformers import PreTrainedModel


OF_EXPERTS = frozenset({"gate", "gate_proj", "up_proj", "down_proj", "w1", "w2", "w3"})
"""In a mixture of experts PEFT takes these to mean the fused weights of all experts, wherever a layer has such a name:
what is trained and what is loaded would differ."""


def add_lora(model: PreTrainedModel, section: LoraSection) -> PreTrainedModel:
    """The model with fresh adapters, in place: B is zero, so its outputs do not change. Only adapters are trainable.

    Raises ModelError when a target names no module.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config: Any = LoraConfig(r=section.rank, lora_dropout=section.dropout, task_type="CAUSAL_LM")
    config.target_modules = _targets(model, section)
    config.lora_alpha = alpha_of(section)  # PEFT's type says int; any number works
    try:
        inject_adapter_in_model(config, model)
    except ValueError as error:
        raise ModelError(f"LoRA does not fit this model: {error}", "Choose other train.lora.targets.") from None
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("lora_" in name)
    return model


def _targets(model: PreTrainedModel, section: LoraSection) -> list[str]:
    """Full names of the layers that the recipe's targets mean, by the ends of their names as PEFT reads them."""
    linear = _all_linear(model)
    if isinstance(section.targets, str):
        return linear
    meant = {target: [n for n in linear if f".{n}".endswith(f".{target}")] for target in section.targets}
    unknown = [target for target, names in meant.items() if not names]
    if unknown:
        short = sorted({name.rsplit(".", 1)[-1] for name in linear})
        raise ModelError(
            f"train.lora.targets names no layer of this model with {', '.join(map(repr, unknown))}.",
            f"This model has: {', '.join(short)}.",
        )
    return [name for name in linear if any(name in names for names in meant.values())]


def alpha_of(section: LoraSection) -> float:
    """The recipe's alpha, or twice the rank."""
    return section.alpha if section.alpha is not None else 2.0 * section.rank


def merge(model: PreTrainedModel, folder: Path) -> PreTrainedModel:
    """The base with the adapter of a PEFT folder added into its weights. Raises ModelError when it does not fit."""
    from peft import PeftModel
    from safetensors import SafetensorError

    check_adapter(model, folder)
    try:
        adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=False)
        merged: PreTrainedModel = adapted.merge_and_unload()
    except (RuntimeError, ValueError, KeyError, TypeError, FileNotFoundError, SafetensorError) as error:
        raise ModelError(
            f"The adapter in {folder} does not fit this base: {' '.join(str(error).split())[:300]}",
            "Use the base that the adapter was trained on (novelray trace shows it).",
        ) from error
    return merged


def adapter_config(section: LoraSection, targets: list[str]) -> bytes:
    """adapter_config.json as PEFT reads it; `targets` are the names of the adapted modules, or their ends."""
    config = {
        "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": None, "bias": "none",
        "r": section.rank, "lora_alpha": alpha_of(section), "lora_dropout": section.dropout,
        "target_modules": targets, "inference_mode": True,
    }  # fmt: skip
    return json.dumps(config, indent=2).encode()


def _all_linear(model: PreTrainedModel) -> list[str]:
    """Full names of every linear layer but the output head; in a mixture of experts, those of the attention."""
    import torch

    head = model.get_output_embeddings()
    names = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and m is not head]
    experts = any(getattr(model.config, key, None) for key in ("n_routed_experts", "num_local_experts", "num_experts"))
    return [n for n in names if not (experts and n.rpartition(".")[2] in OF_EXPERTS)]

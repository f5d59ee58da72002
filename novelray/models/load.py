"""From a source to a model in memory, and its tokenizer. Everything is read from local files; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError
from novelray.models.adapters import merge
from novelray.models.fits import check_loaded
from novelray.models.scratch import scratch_config
from novelray.models.source import checked_folder, digest_of_source
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE_FILE = "base.json"
"""In an adapter's folder: {"source", "digest"} of the base it belongs to."""


def load_model(
    source: str,
    artifacts: Artifacts,
    dtype: torch.dtype,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    context: int = 2048,
    seed: int = 0,
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """The model of a source (see models/source.py), on the CPU, weights in `dtype`, adapters merged.

    `tokenizer`, `context` (tokens) and `seed` are used for `scratch:` sources only.
    """
    kind, _, value = source.partition(":")
    if kind == "scratch":
        assert tokenizer is not None
        return _from_config(value, tokenizer, context, seed, dtype)
    if kind == "folder":
        return from_folder(Path(value), dtype, trust_remote_code)
    artifact = artifacts.get(value)
    folder = artifact.local()
    if (folder / "adapter_config.json").is_file():
        return merge(load_model(base_of(folder), artifacts, dtype, trust_remote_code=trust_remote_code), folder)
    return from_folder(folder, dtype, trust_remote_code)


def base_of(adapter: Path) -> str:
    """The source of the base that an adapter folder was trained on. Raises ModelError when that base has changed."""
    try:
        record = json.loads((adapter / BASE_FILE).read_text("utf-8"))
        source, digest = str(record["source"]), record["digest"]
    except (OSError, ValueError, KeyError, TypeError):
        raise ModelError(
            f"The adapter in {adapter} does not say which base it was trained on: it has no readable {BASE_FILE}.",
            "Only adapters that NovelRay made can be gone on from. Merge another one into its base first.",
        ) from None
    if digest_of_source(source) != digest:
        raise ModelError(
            f"The base {source} is not the one that the adapter in {adapter} was trained on.",
            "Put the original base back: an adapter gives nonsense on other weights.",
        )
    return source


def load_for_serving(
    base_folder: Path, adapter_folder: Path | None, device: str, trust_remote_code: bool = False
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model ready to generate on `device` (adapter merged, eval mode; bf16 on CUDA, fp32 else) and its tokenizer."""
    import torch

    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    model = from_folder(base_folder, dtype, trust_remote_code)
    if adapter_folder is not None:
        model = merge(model, adapter_folder)
    moved: Any = model.eval().to(torch.device(device))
    return moved, load_tokenizer(adapter_folder or base_folder)


def from_folder(folder: Path, dtype: torch.dtype, trust_remote_code: bool = False) -> PreTrainedModel:
    """The causal language model in a Hugging Face folder, with SDPA attention.

    Raises ModelError when the weights do not match the configuration or the architecture is not known.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM

    checked_folder(folder, trust_remote_code)
    try:
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), dtype=dtype, local_files_only=True, use_safetensors=True, output_loading_info=True,
            trust_remote_code=trust_remote_code, ignore_mismatched_sizes=True,  # told below, with the names
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, StrictDataclassError) as error:
        raise ModelError(
            f"The model in {folder} does not load: {' '.join(str(error).split())[:300]}",
            "Is the folder complete, and is its architecture one that transformers knows?",
        ) from error
    model, report = loaded
    check_loaded(folder, report)
    checked: PreTrainedModel = model
    return checked


def _from_config(
    name: str, tokenizer: PreTrainedTokenizerBase, context: int, seed: int, dtype: torch.dtype
) -> PreTrainedModel:
    import torch
    from transformers import LlamaForCausalLM

    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = scratch_config(name, len(tokenizer), context, int(eos), int(pad if pad is not None else eos))
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_rng_state(state)
    cast: PreTrainedModel = model.to(dtype)
    return cast

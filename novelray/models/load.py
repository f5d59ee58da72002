"""From a source to a model in memory, and its tokenizer. Everything is read from local files; nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError
from novelray.models.adapters import merge
from novelray.models.fits import check_loaded
from novelray.models.longtext import UNCHANGED, Changes, computing_its_attention
from novelray.models.scratch import scratch_config
from novelray.models.source import checked_folder, digest_of_source
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BASE_FILE = "base.json"
"""In an adapter's folder: {"source", "digest"} of the base it belongs to, and the base's {"changes"} in training."""


def load_model(
    source: str,
    artifacts: Artifacts,
    dtype: torch.dtype,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    context: int = 2048,
    seed: int = 0,
    trust_remote_code: bool = False,
    changes: Changes = UNCHANGED,
) -> PreTrainedModel:
    """The model of a source (see models/source.py), on the CPU, weights in `dtype`, adapters merged, a prefix in place.

    `tokenizer`, `context` (tokens) and `seed` are used for `scratch:` sources only. `changes`: what a recipe asks for;
    a model of ours brings its own.
    """
    kind, _, value = source.partition(":")
    if kind == "scratch":
        assert tokenizer is not None
        return _from_config(value, tokenizer, context, seed, dtype, changes)
    from novelray.models.prefix import is_prefix, load_prefix  # torch: late

    if kind == "folder":
        return from_folder(Path(value), dtype, trust_remote_code, changes)
    artifact = artifacts.get(value)
    folder = artifact.local()
    if (folder / "adapter_config.json").is_file():
        base = load_model(
            base_of(folder), artifacts, dtype, trust_remote_code=trust_remote_code, changes=changes.over(folder)
        )
        return load_prefix(base, folder) if is_prefix(folder) else merge(base, folder)
    return from_folder(folder, dtype, trust_remote_code, changes)


def base_and_adapter(source: str, artifacts: Artifacts) -> tuple[str, Path | None]:
    """The source of the base, and the adapter's folder where a source is an adapter of ours on it."""
    kind, _, value = source.partition(":")
    folder = artifacts.get(value).local() if kind == "artifact" else None
    if folder is None or not (folder / "adapter_config.json").is_file():
        return source, None
    return base_of(folder), folder


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

    from novelray.models.prefix import is_prefix, load_prefix

    dtype = torch.bfloat16 if device.startswith("cuda") else torch.float32
    changes = UNCHANGED.over(adapter_folder) if adapter_folder else UNCHANGED
    model = from_folder(base_folder, dtype, trust_remote_code, changes)
    if adapter_folder is not None:
        model = (load_prefix if is_prefix(adapter_folder) else merge)(model, adapter_folder)
    moved: Any = model.eval().to(torch.device(device))
    return moved, load_tokenizer(adapter_folder or base_folder)


def from_folder(
    folder: Path, dtype: torch.dtype, trust_remote_code: bool = False, changes: Changes = UNCHANGED
) -> PreTrainedModel:
    """The causal language model in a Hugging Face folder, with SDPA attention or the sparse one that it was given.

    Raises ModelError when the weights do not match the configuration or the architecture is not known.
    """
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModelForCausalLM

    checked_folder(folder, trust_remote_code)
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=trust_remote_code)
        changes.make(config)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            str(folder), config=config, dtype=dtype, local_files_only=True, use_safetensors=True,
            output_loading_info=True, trust_remote_code=trust_remote_code,
            ignore_mismatched_sizes=True,  # told below, with the names
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError, StrictDataclassError) as error:
        raise ModelError(
            f"The model in {folder} does not load: {' '.join(str(error).split())[:300]}",
            "Is the folder complete, and is its architecture one that transformers knows?",
        ) from error
    model, report = loaded
    check_loaded(folder, report)
    checked: PreTrainedModel = computing_its_attention(model)
    return checked


def _from_config(
    name: str, tokenizer: PreTrainedTokenizerBase, context: int, seed: int, dtype: torch.dtype, changes: Changes
) -> PreTrainedModel:
    import torch
    from transformers import LlamaForCausalLM

    eos, pad = tokenizer.eos_token_id, tokenizer.pad_token_id
    config = scratch_config(name, len(tokenizer), context, int(eos), int(pad if pad is not None else eos))
    changes.make(config)
    state = torch.get_rng_state()
    torch.manual_seed(seed)
    try:
        model: Any = LlamaForCausalLM(config)
    finally:
        torch.set_rng_state(state)
    return computing_its_attention(model.to(dtype))

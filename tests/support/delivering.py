"""Models of the registry without training: a base of a family, in full and with an adapter, as artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.families import tiny_folder

from novelray.storage import Artifact, Artifacts, Plan, Store

FAMILIES = {
    "llama": {"rms_norm_eps": 1e-5, "rope_theta": 50_000.0},
    "llama3": {"tie_word_embeddings": True, "max_position_embeddings": 512, "head_dim": 16, "rope_parameters": {
        "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 64}},
    "linear": {"max_position_embeddings": 512, "attention_bias": True, "rope_parameters": {
        "rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}},
    "qwen2": {"tie_word_embeddings": True},
    "qwen2-yarn": {"max_position_embeddings": 1024, "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0, "original_max_position_embeddings": 256}},
    "qwen3": {"head_dim": 16},
}  # fmt: skip
"""Name → what differs from `families.tiny_folder`'s own."""


@dataclass(frozen=True)
class Shelf:
    """A store with a model of a family, whole (`full`) and as an adapter on the folder `base` (`lora`)."""

    artifacts: Artifacts
    base: Path
    full: Artifact
    lora: Artifact


def tokenizer_like(kind: str) -> Any:
    """A byte-level BPE that cuts words as the family's does."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from novelray.checkpoints.gguf.rules import RULES, WHOLE_WORDS, probe

    backend = Tokenizer(models.BPE(ignore_merges=kind in WHOLE_WORDS))
    cuts = [pre_tokenizers.Split(Regex(expression), "isolated") for expression in RULES[kind]]
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [*cuts, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False,
        special_tokens=["<|endoftext|>", "<|pad|>"],
    )  # fmt: skip
    backend.train_from_iterator(probe(), trainer)
    found = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>", pad_token="<|pad|>")
    found.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    return found


def shelf(folder: Path, family: str, tokenizer: Any, **changes: Any) -> Shelf:
    """Make a base of a family with random weights, an artifact of it whole, and one of an adapter on it."""
    import torch

    from novelray.checkpoints.export import adapted_modules, export_adapter
    from novelray.models.adapters import adapter_config, add_lora
    from novelray.models.load import BASE_FILE, from_folder
    from novelray.models.source import digest_of_source
    from novelray.recipe.train import LoraSection

    kind = family.partition("-")[0] if family.startswith(("qwen", "deepseek")) else "llama"
    shape = {"vocab_size": 640, "hidden_size": 64, **FAMILIES.get(family, {}), **changes}  # more rows than tokens
    base = tiny_folder(kind, folder / "base", **shape)
    tokenizer.save_pretrained(base)
    artifacts = Artifacts(Store(str(folder / "store")), cache=folder / "cache")
    adapter, section = folder / "adapter", LoraSection(rank=4)
    model = add_lora(from_folder(base, torch.float32), section)
    weights = [(f"weight/{n}", torch.randn_like(p) * 0.1) for n, p in model.named_parameters() if p.requires_grad]
    export_adapter(weights, adapter_config(section, adapted_modules(n for n, _ in weights)), adapter)
    source = f"folder:{base}"
    (adapter / BASE_FILE).write_text(json.dumps({"source": source, "digest": digest_of_source(source)}))
    tokenizer.save_pretrained(adapter)
    return Shelf(artifacts, base, keep(artifacts, base, "full"), keep(artifacts, adapter, "lora"))


def keep(artifacts: Artifacts, folder: Path, name: str) -> Artifact:
    """A folder as a model artifact."""
    draft = artifacts.begin(Plan("model", 1, section={"test": name}))
    draft.add_folder(folder)
    return draft.commit()

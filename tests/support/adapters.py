"""Adapters of a tiny model in a store and its registry, as training leaves them."""

from __future__ import annotations

import json

from novelray.models.longtext import changes_in
from novelray.models.source import digest_of_source
from novelray.registry import Registry
from novelray.storage import Plan


def register_adapter(artifacts, name, base, seed, folder, alias=None):
    """A LoRA adapter with random weights on the model folder `base` as a version of `name`."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "up_proj"], init_lora_weights=False)
    model = AutoModelForCausalLM.from_pretrained(base)
    changes = changes_in(model.config)
    get_peft_model(model, config).save_pretrained(folder)
    for file in base.glob("tokenizer*"):
        (folder / file.name).write_bytes(file.read_bytes())
    record = {"source": f"folder:{base}", "digest": digest_of_source(f"folder:{base}"), "changes": changes}
    (folder / "base.json").write_text(json.dumps(record), "utf-8")
    return register(artifacts, name, folder, {"base": record["digest"]}, alias)


def register(artifacts, name, folder, inputs, alias=None):
    """The files of a folder as a model artifact, and as a version of `name`."""
    draft = artifacts.begin(Plan("model", 1, {"shards": f"shards-of-{folder.name}", **inputs}))
    draft.add_folder(folder)
    artifact = draft.commit()
    registry = Registry(artifacts.store)
    version = registry.register(name, artifact.id, artifact.manifest.digest(), {})
    if alias:
        registry.alias(name, alias, version.digest)
    return version

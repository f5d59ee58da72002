"""From a replica's settings to a running engine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from novelray.errors import ModelError
from novelray.generate.protocol import Engine
from novelray.home import user_folder
from novelray.onray.replica import ReplicaSettings
from novelray.storage import Artifacts, Store


def load_engine(settings: ReplicaSettings) -> Engine:
    """Load the model and start its engine. Raises ModelError or DamagedError when it cannot be read."""
    return _vllm(settings) if settings.serve.engine == "vllm" else _embedded(settings)


def _embedded(settings: ReplicaSettings) -> Engine:
    import torch

    from novelray.generate.embedded import EmbeddedEngine

    if settings.device == "cpu":
        # Ray gives an actor as many threads as it reserved CPUs, which is one: far too few for a forward pass.
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.serve.replicas))
    model, tokenizer, heads = _load(settings, "cuda" if settings.device == "gpu" else "cpu")
    section = settings.serve
    engine: Engine = EmbeddedEngine(
        model, tokenizer, max_batch=section.max_batch, max_queue=section.max_queue, heads=heads,
        context=section.context, prefix_bytes=section.prefix_cache_mb * 2**20,
    )  # fmt: skip
    return engine


def _vllm(settings: ReplicaSettings) -> Engine:
    from novelray.generate.on_vllm.start import Options, start
    from novelray.models.heads import heads_of
    from novelray.shards.tokenizer import load_tokenizer

    if settings.device == "cpu":
        raise ModelError("vLLM computes on GPUs only.", "Set serve.engine to embedded, or device to gpu.")
    section, artifacts = settings.serve, _artifacts(settings)
    options = Options(
        section.max_batch, section.max_queue, section.context, section.tensor_parallel, section.gpu_memory_share,
        section.prefix_cache_mb > 0, section.max_adapters, section.max_adapter_rank, settings.trust_remote_code,
    )  # fmt: skip
    heads = heads_of(settings.source, artifacts)
    folder = whole_model(settings, artifacts)
    engine: Engine = start(folder, load_tokenizer(folder), options, heads=heads, model_id=settings.version)
    return engine


def whole_model(settings: ReplicaSettings, artifacts: Artifacts) -> Path:
    """A folder with the whole model: its own, or for an adapter one into which it was merged, kept for the next start.

    Raises ModelError for a prefix, which is no change of weights.
    """
    folder = _folder(settings, artifacts)
    if not (folder / "adapter_config.json").is_file():
        return folder
    from novelray.models.prefix import is_prefix

    if is_prefix(folder):
        raise ModelError(
            f"{settings.version} is a prefix, which vLLM does not compute.", "Set serve.engine to embedded."
        )
    merged = user_folder() / "merged" / settings.source.partition(":")[2]
    if not merged.is_dir():
        _write_merged(settings, merged)
    return merged


def _write_merged(settings: ReplicaSettings, to: Path) -> None:
    """Under another name first: a folder of this name is whole, and another replica may write it at the same time."""
    model, tokenizer, _ = _load(settings, "cpu")
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        made = Path(scratch) / "model"
        model.bfloat16().save_pretrained(str(made), max_shard_size="5GB")
        tokenizer.save_pretrained(str(made))
        if not to.is_dir():
            made.rename(to)


def _load(settings: ReplicaSettings, device: str) -> tuple[Any, Any, Any]:
    """The model on its device, ready to generate, its tokenizer and its heads."""
    import torch

    from novelray.models.heads import heads_of
    from novelray.models.load import load_model
    from novelray.shards.tokenizer import load_tokenizer

    artifacts = _artifacts(settings)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model: Any = load_model(settings.source, artifacts, dtype, trust_remote_code=settings.trust_remote_code)
    tokenizer = load_tokenizer(_folder(settings, artifacts))
    return model.eval().to(device), tokenizer, heads_of(settings.source, artifacts)


def _folder(settings: ReplicaSettings, artifacts: Artifacts) -> Path:
    kind, _, value = settings.source.partition(":")
    return artifacts.get(value).local() if kind == "artifact" else Path(value)


def _artifacts(settings: ReplicaSettings) -> Artifacts:
    storage = settings.storage
    return Artifacts(Store(storage.root, storage.endpoint), Path(storage.cache) if storage.cache else None)

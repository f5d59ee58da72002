"""From a replica's settings to a running engine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from novelray.generate.guard.index import CopyIndex, open_index
from novelray.generate.protocol import Engine
from novelray.onray.replica import ReplicaSettings
from novelray.storage import Artifacts, Store


def load_engine(settings: ReplicaSettings) -> Engine:
    """Load the model and start its engine. Raises ModelError or DamagedError when it cannot be read."""
    import torch

    from novelray.generate.embedded import EmbeddedEngine
    from novelray.generate.guard.build import build_guard
    from novelray.generate.guard.engine import guarded

    if settings.device == "cpu":
        # Ray gives an actor as many threads as it reserved CPUs, which is one: far too few for a forward pass.
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.serve.replicas))
    model, tokenizer, heads = _load(settings, "cuda" if settings.device == "gpu" else "cpu")
    section = settings.serve
    engine: Engine = EmbeddedEngine(
        model, tokenizer, max_batch=section.max_batch, max_queue=section.max_queue, heads=heads,
        prefix_bytes=section.prefix_cache_mb * 2**20,
    )  # fmt: skip
    return guarded(engine, build_guard(section.guard, engine, lambda: index_for(settings), settings.version))


def index_for(settings: ReplicaSettings) -> CopyIndex | None:
    """What the served model, and those it was made from, were trained on; None where that is not known."""
    from novelray.onray.pipeline import known_shards

    artifacts = _artifacts(settings)
    return open_index(artifacts, known_shards(artifacts, settings.source))


def _load(settings: ReplicaSettings, device: str) -> tuple[Any, Any, Any]:
    """The model on its device, ready to generate, its tokenizer and its heads."""
    import torch

    from novelray.models.heads import heads_of
    from novelray.models.load import load_model
    from novelray.shards.tokenizer import load_tokenizer

    artifacts = _artifacts(settings)
    kind, _, value = settings.source.partition(":")
    folder = artifacts.get(value).local() if kind == "artifact" else Path(value)
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    model: Any = load_model(settings.source, artifacts, dtype, trust_remote_code=settings.trust_remote_code)
    return model.eval().to(device), load_tokenizer(folder), heads_of(settings.source, artifacts)


def _artifacts(settings: ReplicaSettings) -> Artifacts:
    storage = settings.storage
    return Artifacts(Store(storage.root, storage.endpoint), Path(storage.cache) if storage.cache else None)

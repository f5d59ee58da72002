"""From a replica's settings to a running engine, and what its application is told."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelray.endpoint.settings import ServedModel, Settings
from novelray.endpoint.styles import Catalogue, RegisteredAdapters
from novelray.generate.guard.index import CopyIndex, open_index
from novelray.generate.protocol import Engine
from novelray.onray.replica import ReplicaSettings
from novelray.storage import Artifacts, Store


@dataclass(frozen=True)
class Loaded:
    """An engine that runs, the models that it serves, and the adapters beside them."""

    engine: Engine
    settings: Settings
    catalogue: Catalogue | None = None


def load_engine(settings: ReplicaSettings) -> Loaded:
    """Load the model and start its engine. Raises ModelError or DamagedError when it cannot be read."""
    import torch

    if settings.device == "cpu":
        # Ray gives an actor as many threads as it reserved CPUs, which is one: far too few for a forward pass.
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.serve.replicas))
    artifacts = _artifacts(settings)
    return _with_adapters(settings, artifacts) if settings.serve.adapters else _alone(settings, artifacts)


def index_for(settings: ReplicaSettings) -> CopyIndex | None:
    """What the served model, those it was made from and the adapters beside it were trained on; None: not known.

    Adapters that are registered later are not in it until the replica starts again.
    """
    from novelray.onray.pipeline import known_shards
    from novelray.registry import Registry

    artifacts = _artifacts(settings)
    registry = Registry(artifacts.store)
    names = [reference.partition("@")[0] for reference in settings.serve.adapters]
    beside = [f"artifact:{version.artifact}" for name in names for version in registry.versions(name)]
    shards = [shard for source in (settings.source, *beside) for shard in known_shards(artifacts, source)]
    return open_index(artifacts, tuple(dict.fromkeys(shards)))


def _alone(settings: ReplicaSettings, artifacts: Artifacts) -> Loaded:
    """One model, an adapter merged into its base."""
    from novelray.models.heads import heads_of
    from novelray.models.load import load_model

    kind, _, value = settings.source.partition(":")
    folder = artifacts.get(value).local() if kind == "artifact" else Path(value)
    model = load_model(settings.source, artifacts, _dtype(settings), trust_remote_code=settings.trust_remote_code)
    heads = heads_of(settings.source, artifacts)
    return Loaded(_engine(settings, model, folder, heads=heads), settings.endpoint())


def _with_adapters(settings: ReplicaSettings, artifacts: Artifacts) -> Loaded:
    """A base with adapters beside it. The heads of an adapter would need it merged: there are none of those."""
    from novelray.generate.hot import HotAdapters
    from novelray.models.heads import heads_of
    from novelray.models.load import base_and_adapter, load_model
    from novelray.models.longtext import UNCHANGED
    from novelray.models.source import digest_of_source

    source, own = base_and_adapter(settings.source, artifacts)
    kind, _, value = source.partition(":")
    folder = own or (artifacts.get(value).local() if kind == "artifact" else Path(value))
    model = load_model(
        source, artifacts, _dtype(settings), trust_remote_code=settings.trust_remote_code,
        changes=UNCHANGED if own is None else UNCHANGED.over(own),
    )  # fmt: skip
    digest = digest_of_source(source)
    base = None if own is None else ServedModel(id=_id_of_base(source, digest, artifacts), digest=digest)
    adapters = RegisteredAdapters(artifacts, settings.serve.adapters, base.id if base else settings.version, digest)

    async def fetch(adapter_id: str) -> str:
        mine = own is not None and adapter_id == settings.version
        return str(own) if mine else await asyncio.to_thread(adapters.folder, adapter_id)

    heads = () if own else heads_of(settings.source, artifacts)
    engine = _engine(settings, model, folder, heads=heads, base_digest=digest)
    hot = HotAdapters(engine, fetch, settings.serve.max_adapters)
    return Loaded(hot, settings.endpoint(base), Catalogue(adapters.look))


def _id_of_base(source: str, digest: str, artifacts: Artifacts) -> str:
    """The id on the wire of a base that is served below its adapters: the registered one, or made from its digest."""
    from novelray.registry import Registry, spell

    kind, _, value = source.partition(":")
    known = Registry(artifacts.store).known_as(value) if kind == "artifact" else None
    name = Path(value).name if kind == "folder" else "base"
    return known.id if known else spell(name.replace("@", "-"), digest.rpartition("-")[2])


def _dtype(settings: ReplicaSettings) -> Any:
    import torch

    return torch.bfloat16 if settings.device == "gpu" else torch.float32


def _engine(settings: ReplicaSettings, model: Any, folder: Path, **options: Any) -> Engine:
    from novelray.generate.embedded import EmbeddedEngine
    from novelray.generate.guard.build import build_guard
    from novelray.generate.guard.engine import guarded
    from novelray.shards.tokenizer import load_tokenizer

    section = settings.serve
    engine: Engine = EmbeddedEngine(
        model.eval().to("cuda" if settings.device == "gpu" else "cpu"), load_tokenizer(folder),
        max_batch=section.max_batch, max_queue=section.max_queue, prefix_bytes=section.prefix_cache_mb * 2**20,
        model_id=settings.version, **options,
    )  # fmt: skip
    return guarded(engine, build_guard(section.guard, engine, lambda: index_for(settings), settings.version))


def _artifacts(settings: ReplicaSettings) -> Artifacts:
    storage = settings.storage
    return Artifacts(Store(storage.root, storage.endpoint), Path(storage.cache) if storage.cache else None)

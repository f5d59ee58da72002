"""From a replica's settings to a running engine, and what its application is told."""

from __future__ import annotations

import asyncio
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelray.endpoint.settings import ServedModel, Settings
from novelray.endpoint.styles import Catalogue, RegisteredAdapters
from novelray.errors import ModelError
from novelray.generate.guard.index import CopyIndex, open_index
from novelray.generate.protocol import Engine
from novelray.home import user_folder
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
        if settings.serve.engine == "vllm":
            raise ModelError("vLLM computes on GPUs only.", "Set serve.engine to embedded, or device to gpu.")
        # Ray gives an actor as many threads as it reserved CPUs, which is one: far too few for a forward pass.
        torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // settings.serve.replicas))
    load = _with_adapters if settings.serve.adapters else _alone
    # In a thread that ends: one that has computed keeps its OpenMP threads, and as soon as there are more of those than
    # cores, libgomp puts the engine's to sleep after every operation; a step of a small model then takes twice as long.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(load, settings, _artifacts(settings)).result()


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

    heads = heads_of(settings.source, artifacts)
    if settings.serve.engine == "vllm":
        folder = whole_model(settings, artifacts)
        engine = _on_vllm(settings, folder, folder, heads=heads)
    else:
        model = _model(settings, settings.source, artifacts)
        engine = _embedded(settings, model, _folder(settings.source, artifacts), heads=heads)
    return Loaded(_guarded(settings, engine), settings.endpoint())


def _with_adapters(settings: ReplicaSettings, artifacts: Artifacts) -> Loaded:
    """A base with adapters beside it. The heads of an adapter would need it merged: there are none of those."""
    from novelray.generate.hot import HotAdapters
    from novelray.models.heads import heads_of
    from novelray.models.load import base_and_adapter
    from novelray.models.longtext import UNCHANGED
    from novelray.models.source import digest_of_source

    source, own = base_and_adapter(settings.source, artifacts)
    folder = own or _folder(source, artifacts)  # of the tokenizer
    digest = digest_of_source(source)
    base = None if own is None else ServedModel(id=_id_of_base(source, digest, artifacts), digest=digest)
    adapters = RegisteredAdapters(artifacts, settings.serve.adapters, base.id if base else settings.version, digest)

    async def fetch(adapter_id: str) -> str:
        mine = own is not None and adapter_id == settings.version
        return str(own) if mine else await asyncio.to_thread(adapters.folder, adapter_id)

    heads = () if own else heads_of(settings.source, artifacts)
    if settings.serve.engine == "vllm":
        engine = _on_vllm(settings, _folder(source, artifacts), folder, heads=heads)
    else:
        model = _model(settings, source, artifacts, changes=UNCHANGED if own is None else UNCHANGED.over(own))
        engine = _embedded(settings, model, folder, heads=heads, base_digest=digest)
    hot = HotAdapters(_guarded(settings, engine), fetch, settings.serve.max_adapters)
    return Loaded(hot, settings.endpoint(base), Catalogue(adapters.look))


def _id_of_base(source: str, digest: str, artifacts: Artifacts) -> str:
    """The id on the wire of a base that is served below its adapters: the registered one, or made from its digest."""
    from novelray.registry import Registry, spell

    kind, _, value = source.partition(":")
    known = Registry(artifacts.store).known_as(value) if kind == "artifact" else None
    name = Path(value).name if kind == "folder" else "base"
    return known.id if known else spell(name.replace("@", "-"), digest.rpartition("-")[2])


def _embedded(settings: ReplicaSettings, model: Any, folder: Path, **options: Any) -> Engine:
    """`folder`: of the tokenizer."""
    from novelray.generate.embedded import EmbeddedEngine
    from novelray.shards.tokenizer import load_tokenizer

    section = settings.serve
    engine: Engine = EmbeddedEngine(
        model.eval().to("cuda" if settings.device == "gpu" else "cpu"), load_tokenizer(folder),
        max_batch=section.max_batch, max_queue=section.max_queue, context=section.context,
        prefix_bytes=section.prefix_cache_mb * 2**20, model_id=settings.version, **options,
    )  # fmt: skip
    return engine


def _on_vllm(settings: ReplicaSettings, model: Path, tokenizer: Path, **options: Any) -> Engine:
    """Both are folders."""
    from novelray.generate.on_vllm.start import Options, start
    from novelray.shards.tokenizer import load_tokenizer

    section = settings.serve
    asked = Options(
        section.max_batch, section.max_queue, section.context, section.tensor_parallel, section.gpu_memory_share,
        section.prefix_cache_mb > 0, section.max_adapters if section.adapters else 0, section.max_adapter_rank,
        settings.trust_remote_code,
    )  # fmt: skip
    engine: Engine = start(model, load_tokenizer(tokenizer), asked, model_id=settings.version, **options)
    return engine


def _guarded(settings: ReplicaSettings, engine: Engine) -> Engine:
    from novelray.generate.guard.build import build_guard
    from novelray.generate.guard.engine import guarded

    return guarded(engine, build_guard(settings.serve.guard, engine, lambda: index_for(settings), settings.version))


def whole_model(settings: ReplicaSettings, artifacts: Artifacts) -> Path:
    """A folder with the whole model: its own, or for an adapter one into which it was merged, kept for the next start.

    Raises ModelError for a prefix, which is no change of weights.
    """
    folder = _folder(settings.source, artifacts)
    if not (folder / "adapter_config.json").is_file():
        return folder
    from novelray.models.prefix import is_prefix

    if is_prefix(folder):
        raise ModelError(
            f"{settings.version} is a prefix, which vLLM does not compute.", "Set serve.engine to embedded."
        )
    merged = user_folder() / "merged" / settings.source.partition(":")[2]
    if not merged.is_dir():
        _write_merged(settings, artifacts, merged)
    return merged


def _write_merged(settings: ReplicaSettings, artifacts: Artifacts, to: Path) -> None:
    """Under another name first: a folder of this name is whole, and another replica may write it at the same time."""
    from novelray.shards.tokenizer import load_tokenizer

    model = _model(settings, settings.source, artifacts)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent) as scratch:
        made = Path(scratch) / "model"
        model.bfloat16().save_pretrained(str(made), max_shard_size="5GB")
        load_tokenizer(_folder(settings.source, artifacts)).save_pretrained(str(made))
        if not to.is_dir():
            made.rename(to)


def _model(settings: ReplicaSettings, source: str, artifacts: Artifacts, **options: Any) -> Any:
    import torch

    from novelray.models.load import load_model

    dtype = torch.bfloat16 if settings.device == "gpu" else torch.float32
    return load_model(source, artifacts, dtype, trust_remote_code=settings.trust_remote_code, **options)


def _folder(source: str, artifacts: Artifacts) -> Path:
    kind, _, value = source.partition(":")
    return artifacts.get(value).local() if kind == "artifact" else Path(value)


def _artifacts(settings: ReplicaSettings) -> Artifacts:
    storage = settings.storage
    return Artifacts(Store(storage.root, storage.endpoint), Path(storage.cache) if storage.cache else None)

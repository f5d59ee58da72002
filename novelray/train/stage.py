"""One stage of a run on one worker, from nothing to a model in storage. Read this first.

Started by Ray Train on every worker (novelray/onray/train.py), or directly in one process by a test or a benchmark.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.checkpoints.commit import Commit, best
from novelray.checkpoints.export import WEIGHT, adapted_modules, export_adapter, export_full
from novelray.errors import CancelledError, DamagedError, PreemptedError
from novelray.models.adapters import adapter_config
from novelray.models.heads import Head, attached, heads_of, is_head, write_heads
from novelray.models.load import BASE_FILE
from novelray.models.longtext import changes_in
from novelray.models.pissa import for_the_whole_base
from novelray.models.source import digest_of_source
from novelray.telemetry.journal import Journal
from novelray.telemetry.trackers import Identity, check_trackers, mirrors_of
from novelray.train.job import Job, Place
from novelray.train.oom import out_of_memory
from novelray.train.settings import settings_of

if TYPE_CHECKING:
    from novelray.train.setup import Ready


def run_stage(job: Job, place: Place, report: Callable[[dict[str, Any]], None] = lambda metrics: None) -> None:
    """Train, commit, export. Every rank calls it; rank 0 writes the journal and the model artifact.

    Raises CancelledError or PreemptedError when the run was asked to stop (its state is committed), and other
    NovelRayErrors for people.
    """
    check_trackers(job.telemetry)
    journal = _journal(job, place) if place.rank == 0 else None
    note = (lambda text: journal.log("warning", text=text)) if journal else (lambda text: None)
    try:
        ready = _trained(job, place, journal, report, note)
        if place.rank == 0 and job.export:
            export(job, ready.engine.module.model, ready.bf16, note)
        if journal:
            journal.log("done", stage=job.stage.name)
    except (CancelledError, PreemptedError) as error:
        if journal:
            journal.log("cancelled" if isinstance(error, CancelledError) else "preempted", stage=job.stage.name)
        raise
    except BaseException as error:
        told = out_of_memory(error, job, place) if isinstance(error, RuntimeError | MemoryError) else None
        if journal:
            journal.log("failed", stage=job.stage.name, error=str(told or error) or type(error).__name__)
        if told is None:
            raise
        raise told from None
    finally:
        if journal:
            journal.close()


def _trained(
    job: Job,
    place: Place,
    journal: Journal | None,
    report: Callable[[dict[str, Any]], None],
    note: Callable[[str], None],
) -> Ready:
    """Train to the end; once more from the last commit, with a lower learning rate, when the loss is no number."""
    marks = dict(place.marks)
    from novelray.train.divergence import DivergedError, roll_back
    from novelray.train.loop import Loop
    from novelray.train.setup import prepare, release

    marks["imported"] = time.time()
    while True:
        ready = prepare(job, place, note)
        marks["prepared"] = time.time()
        if journal:
            parameters = sum(p.numel() for p in ready.parameters.values())
            old = ready.order.old_rows
            journal.log("start", stage=job.stage.name, from_step=ready.start, steps=ready.steps, world=place.world,
                        rows=len(ready.rows) - old, old_rows=old, trainable=parameters, marks=marks, base=job.source,
                        settings=settings_of(job))  # fmt: skip
        try:
            Loop(job, place, ready, journal, report).run()
            return ready
        except DivergedError as error:
            roll_back(job, place, ready, error, journal)
        release(ready)
        gc.collect()  # the engine's parts point at each other
        job = replace(job, resume=True)


def export(job: Job, model: Any, bf16: bool, note: Callable[[str], None]) -> None:
    """Turn the best commit into the stage's model artifact. Reads storage, not the engine: it is all there."""
    import torch

    from novelray.models.prefix import export_prefix
    from novelray.train.state import initial_of

    commit = best(job.artifacts.store, job.run, note)
    if commit is None:
        raise DamagedError(f"No commit of {job.run} verifies.", "Run the same command again: the stage starts anew.")
    weights = commit.tensors(lambda name: name.startswith(WEIGHT) and not is_head(name.removeprefix(WEIGHT)))
    with tempfile.TemporaryDirectory(prefix="novelray-export-") as scratch:
        folder = Path(scratch)
        if job.stage.adapts:
            if job.stage.starts_from_principal_parts:
                weights = for_the_whole_base(weights, {WEIGHT + n: t for n, t in initial_of(commit).items()})
            names = [n for n, p in model.named_parameters() if p.requires_grad]
            targets = adapted_modules(names)
            export_adapter(weights, adapter_config(job.stage.lora, targets), folder)
            _write_base(folder, job.source, changes_in(model.config))
        elif job.stage.method == "prefix":
            export_prefix({n.removeprefix(WEIGHT): t for n, t in weights}, job.stage.prefix, model, folder)
            _write_base(folder, job.source, changes_in(model.config))
        else:
            frozen = _frozen_weights(job, model, bf16) if job.stage.freeze_layers else ()
            export_full(chain(weights, frozen), torch.bfloat16 if bf16 else torch.float32, model, folder)
        heads = _heads(job, model, commit)
        write_heads(heads, folder)
        _copy_tokenizer(job, folder)
        draft = job.artifacts.begin(job.plan)
        draft.add_folder(folder)
        counts = {"step": commit.step, "validation_loss": commit.state["validation_loss"], "method": job.stage.method}
        draft.commit({**counts, **({"tasks": {h.name: list(h.classes) for h in heads}} if heads else {})})


def _heads(job: Job, model: Any, commit: Commit) -> list[Head]:
    """The heads that the stage trained, and those of its source that it did not."""
    weights = {n.removeprefix(WEIGHT): t for n, t in commit.tensors(lambda n: is_head(n.removeprefix(WEIGHT)))}
    found = {head.name: head for head in (*heads_of(job.source, job.artifacts), *attached(model, weights))}
    return list(found.values())


def _frozen_weights(job: Job, model: Any, bf16: bool) -> Iterator[tuple[str, Any]]:
    """The weights that no commit has, read from the source again: under ZeRO-3 the model holds only pieces of them."""
    from novelray.train.setup import load_source

    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    for name, parameter in load_source(job, bf16).named_parameters():
        if name not in trained:
            yield f"{WEIGHT}{name}", parameter.detach()


def _journal(job: Job, place: Place) -> Journal:
    store = job.artifacts.store
    journal = Journal(store, job.run, f"{time.time():.3f}-{os.getpid()}", job.telemetry.flush_s)
    here = Path(store.full(job.run)) if store.is_local else None
    name = f"{job.name or job.plan.id} {job.stage.name}"
    identity = Identity(job.plan.id, name, str(here or job.artifacts.cache / job.run))
    journal.mirror(mirrors_of(job.telemetry, identity, here, lambda text: journal.log("warning", text=text)))
    return journal


def _write_base(folder: Path, source: str, changes: dict[str, Any]) -> None:
    import json

    record = {"source": source, "digest": digest_of_source(source), "changes": changes}
    (folder / BASE_FILE).write_text(json.dumps(record), "utf-8")


def _copy_tokenizer(job: Job, folder: Path) -> None:
    """The tokenizer goes with every model: a version is complete in itself."""
    from novelray.shards.tokenizer import load_tokenizer
    from novelray.train.setup import folder_of

    load_tokenizer(folder_of(job.tokenizer, job)).save_pretrained(str(folder))

"""One stage of a run on one worker, from nothing to a model in storage. Read this first.

Started by Ray Train on every worker (novelray/onray/train.py), or directly in one process by a test or a benchmark.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from novelray.checkpoints.commit import best
from novelray.checkpoints.export import WEIGHT, adapted_modules, export_adapter, export_full
from novelray.errors import CancelledError, DamagedError
from novelray.models.adapters import adapter_config
from novelray.models.load import BASE_FILE
from novelray.models.source import digest_of_source
from novelray.telemetry.journal import Journal
from novelray.telemetry.trackers import tensorboard
from novelray.train.job import Job, Place
from novelray.train.oom import out_of_memory


def run_stage(job: Job, place: Place, report: Callable[[dict[str, Any]], None] = lambda metrics: None) -> None:
    """Train, commit, export. Every rank calls it; rank 0 writes the journal and the model artifact.

    Raises CancelledError when the run was cancelled (its state is committed), and other NovelRayErrors for people.
    """
    marks = dict(place.marks)
    journal = _journal(job, place) if place.rank == 0 else None
    note = (lambda text: journal.log("warning", text=text)) if journal else (lambda text: None)
    try:
        from novelray.train.loop import Loop
        from novelray.train.setup import prepare

        marks["imported"] = time.time()
        ready = prepare(job, place, note)
        marks["prepared"] = time.time()
        if journal:
            parameters = sum(p.numel() for p in ready.parameters.values())
            journal.log("start", stage=job.stage.name, from_step=ready.start, steps=ready.steps, world=place.world,
                        rows=len(ready.rows), trainable=parameters, marks=marks)  # fmt: skip
        Loop(job, place, ready, journal, report).run()
        if place.rank == 0 and job.export:
            export(job, ready.engine.module.model, ready.bf16, note)
    except CancelledError:
        if journal:
            journal.log("cancelled", stage=job.stage.name)
        raise
    except (RuntimeError, MemoryError) as error:
        told = out_of_memory(error, job, place)
        if told is None:
            raise
        raise told from None
    finally:
        if journal:
            journal.close()


def export(job: Job, model: Any, bf16: bool, note: Callable[[str], None]) -> None:
    """Turn the best commit into the stage's model artifact. Reads storage, not the engine: it is all there."""
    import torch

    commit = best(job.artifacts.store, job.run, note)
    if commit is None:
        raise DamagedError(f"No commit of {job.run} verifies.", "Run the same command again: the stage starts anew.")
    weights = commit.tensors(lambda name: name.startswith(WEIGHT))
    with tempfile.TemporaryDirectory(prefix="novelray-export-") as scratch:
        folder = Path(scratch)
        if job.stage.method == "lora":
            names = [n for n, p in model.named_parameters() if p.requires_grad]
            targets = adapted_modules(names)
            export_adapter(weights, adapter_config(job.stage.lora, targets), folder)
            _write_base(folder, job.source)
        else:
            export_full(weights, torch.bfloat16 if bf16 else torch.float32, model, folder)
        _copy_tokenizer(job, folder)
        draft = job.artifacts.begin(job.plan)
        draft.add_folder(folder)
        draft.commit(
            {"step": commit.step, "validation_loss": commit.state["validation_loss"], "method": job.stage.method}
        )


def _journal(job: Job, place: Place) -> Journal:
    store = job.artifacts.store
    mirror = None
    if job.telemetry.tensorboard and store.is_local:
        mirror = tensorboard(Path(store.full(job.run)) / "tensorboard")
    attempt = f"{time.time():.3f}-{os.getpid()}"
    return Journal(store, job.run, attempt, job.telemetry.flush_s, mirror)


def _write_base(folder: Path, source: str) -> None:
    import json

    (folder / BASE_FILE).write_text(json.dumps({"source": source, "digest": digest_of_source(source)}), "utf-8")


def _copy_tokenizer(job: Job, folder: Path) -> None:
    """The tokenizer goes with every model: a version is complete in itself."""
    from novelray.shards.tokenizer import load_tokenizer
    from novelray.train.setup import folder_of

    load_tokenizer(folder_of(job.tokenizer, job)).save_pretrained(str(folder))

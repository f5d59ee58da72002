"""A tiny corpus as shards, and training stages on it in processes of their own: no Ray, real DeepSpeed, real gloo."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from novelray.recipe.model import ModelSection
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.telemetry import TelemetrySection
from novelray.recipe.train import StageSection
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.tokenizer import save_tokenizer, train_bpe
from novelray.storage import Artifact, Artifacts, Plan, Store
from novelray.train.job import Job, Place

CONTEXT = 64
WORDS = [*"风雨江湖剑客夜船灯酒山月马雪楼桥书信梦归", *["the", "rain", "fell", "on", "a", "town", "and"]]


def stories(count: int, seed: int) -> list[str]:
    """Short texts with something to learn: each is a walk over few words."""
    random = np.random.default_rng(seed)
    return [
        "".join(WORDS[(start + k * k) % len(WORDS)] + "，" for k in range(120))
        for start in random.integers(0, 27, count)
    ]


def tiny_shards(artifacts: Artifacts, tmp_path: Path) -> tuple[Artifact, Artifact]:
    """(shards, tokenizer) artifacts of a few dozen rows."""
    tokenizer = train_bpe(stories(30, 1), 400)
    save_tokenizer(tokenizer, tmp_path / "tokenizer")
    draft = artifacts.begin(Plan("tokenizer", 1, section={"test": 1}))
    draft.add_folder(tmp_path / "tokenizer")
    made = draft.commit()
    encoder = Encoder.of(tokenizer)
    draft = artifacts.begin(Plan("shards", 1, {"tokenizer": made.id}))
    for split, count, seed in (("train", 40, 2), ("heldout", 8, 3)):
        texts = stories(count, seed)
        data, _ = make_shard([f"book:{i}" for i in range(count)], texts, encoder, CONTEXT)
        draft.write(f"{split}/rows-00000.arrow", data)
    return draft.commit(), made


def tiny_job(artifacts: Artifacts, tmp_path: Path, **stage: Any) -> Job:
    """A full fine-tuning stage of a few steps over `scratch:nano`; keyword arguments change the stage."""
    shards, tokenizer = tiny_shards(artifacts, tmp_path)
    values = {"name": "main", "method": "full", "max_steps": 6, "global_batch": 8, "learning_rate": 1e-3, "warmup": 0.2,
              "validate_every": 3, "validation_rows": 8, **stage}  # fmt: skip
    section = StageSection.model_validate(values)
    plan = Plan("model", 1, {"shards": shards.id}, {"stage": section.identity()})
    return Job(
        plan=plan, artifacts=artifacts, stage=section, scaling=ScalingSection(), model=ModelSection(), seed=7,
        telemetry=TelemetrySection(tensorboard=False, flush_s=0.1), source="scratch:nano", shards=shards.id,
        tokenizer=f"artifact:{tokenizer.id}", context=CONTEXT, position_limit=256, checkpoint_every=2,
        keep_checkpoints=2,
    )  # fmt: skip


def llama_job(folder: Path) -> Job:
    """A stage of three steps over a tiny Llama in a folder, as people bring their models."""
    from support.families import tiny_folder

    base = tiny_folder("llama", folder / "base")
    made = tiny_job(Artifacts(Store(str(folder / "store"))), folder, micro_batch=2, max_steps=3)
    return variant(made, "base", source=f"folder:{base}")


def variant(job: Job, name: str, **changes: Any) -> Job:
    """The same job as another run: its own id, and other fields where given."""
    return replace(job, plan=replace(job.plan, section={**job.plan.section, "variant": name}), **changes)


def start(*jobs: Job, world: int = 1, attempt: str = "a") -> list[Any]:
    """The workers of a stage as processes, started; several stages run one after another in the same processes."""
    port = _free_port()
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=work, args=(jobs, rank, world, port, attempt)) for rank in range(world)]
    for worker in workers:
        worker.start()
    return workers


def run(*jobs: Job, world: int = 1, attempt: str = "a") -> list[int]:
    """Run stages to their end. Returns the exit codes of the workers."""
    workers = start(*jobs, world=world, attempt=attempt)
    for worker in workers:
        worker.join(timeout=240)
    return [worker.exitcode for worker in workers]


def run_here(*jobs: Job) -> None:
    """Run stages to their end in this process, as the only worker: no start-up, and errors reach the caller."""
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", DS_ACCELERATOR="cpu", DS_LOG_LEVEL="error")
    import torch

    if not torch.distributed.is_initialized():  # once: DeepSpeed remembers the first group for good
        torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    from novelray.train.stage import run_stage

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in the processes of `work`; on a busy machine more wait for each other
    try:
        for job in jobs:
            run_stage(job, Place(0, 1, "cpu", "a"))
    finally:
        torch.set_num_threads(threads)


def work(jobs: tuple[Job, ...], rank: int, world: int, port: int, attempt: str) -> None:
    """One worker: what Ray Train does before it calls the stage."""
    os.environ.update(
        MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(rank),
        DS_ACCELERATOR="cpu", DS_LOG_LEVEL="error",
    )  # fmt: skip
    import torch

    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", rank=rank, world_size=world)
    from novelray.train.stage import run_stage

    for job in jobs:
        run_stage(job, Place(rank, world, "cpu", attempt))
    torch.distributed.destroy_process_group()


def losses(job: Job) -> list[float]:
    """The training loss of every step."""
    from novelray.telemetry.journal import read_journal

    return [e["loss"] for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]


def weights(job: Job) -> dict[str, Any]:
    """The trained tensors of the model artifact."""
    from safetensors.torch import load_file

    folder = job.artifacts.get(job.plan.id).local()
    return {k: v for file in sorted(folder.glob("*.safetensors")) for k, v in load_file(file).items()}


def load_folder(source: str) -> dict[str, Any]:
    """The tensors of a `folder:` source."""
    from safetensors.torch import load_file

    return load_file(Path(source.removeprefix("folder:")) / "model.safetensors")


def progress(job: Job) -> dict[str, Any]:
    """The run's progress file."""
    return json.loads(job.artifacts.store.read(f"{job.run}/progress.json"))


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])

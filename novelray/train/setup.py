"""Everything a worker builds before the first step: rows, model, engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from novelray.checkpoints.commit import Commit, Tensors, latest
from novelray.errors import ModelError, TrainError
from novelray.models.adapters import add_lora
from novelray.models.compiled import compile_layers
from novelray.models.freeze import train_above
from novelray.models.liger import check_liger, use_liger
from novelray.models.load import load_model
from novelray.models.longtext import Changes
from novelray.models.packed import flash_works, use_packed
from novelray.models.pissa import principal_parts, take_out
from novelray.models.prefix import add_prefix, has_prefix
from novelray.models.quantised import quantise
from novelray.recipe.train import StageSection
from novelray.shards.order import Order
from novelray.shards.rows import Rows, open_rows
from novelray.shards.tokenizer import load_tokenizer
from novelray.train.continual import Penalty, penalty_of
from novelray.train.divergence import Rollback, rollback_of
from novelray.train.engine import build_engine, build_optimizer, deepspeed_config
from novelray.train.job import Job, Place
from novelray.train.objective import NextTokenLoss
from novelray.train.order import training_rows
from novelray.train.state import INITIAL, Parameters, initial_of, load_optimizer, load_weights, trainable
from novelray.train.tasks import TaskLosses, Tasks, tasks_of
from novelray.train.together import told_by_rank_0

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass
class Ready:
    """A worker that can take its next step. `start` is the number of optimiser steps done already."""

    engine: Any
    parameters: Parameters
    rows: Rows
    heldout: Rows | None
    order: Order
    steps: int
    start: int
    resumed: Commit | None
    bf16: bool
    initial: Tensors = field(default_factory=dict)  # goes into every commit as it is; rank 0's
    penalty: Penalty | None = None
    rollback: Rollback | None = None
    tasks: Tasks = field(default_factory=Tasks)


def prepare(job: Job, place: Place, say: Callable[[str], None]) -> Ready:
    """Load rows and model, take up the newest good commit, build the engine."""
    shards = job.artifacts.get(job.shards).local()
    rows, order = training_rows(job)
    heldout = open_rows(shards, "heldout")
    steps = total_steps(job.stage, order)
    bf16 = wants_bf16(job.stage, place)
    model = build_model(job, bf16, place.device)
    for split in filter(None, (rows, heldout)):
        split.check_vocabulary(model.config.vocab_size)
    commit = newest_commit(job, place, say)
    initial: Tensors = {}
    if job.stage.starts_from_principal_parts:
        initial = initial_of(commit) if commit else principal_parts(model, job.seed)
        take_out(model, initial)
    # Measured from where the stage starts: after what adapters begin as, before heads and a commit's weights.
    penalty = penalty_of(job, place, model)
    tasks = tasks_of(job, model, rows, heldout, place.device)
    if commit is not None:
        load_weights(commit, model)
    rollback = told_by_rank_0(rollback_of(job) if job.resume and place.rank == 0 else None)
    engine = _engine(job, place, model, bf16)
    parameters = trainable(engine.module.model)
    if commit is not None:
        load_optimizer(commit, engine, parameters, bf16)
    # The engine has given every worker the weights of rank 0, the base's too: it is rank 0's that belong to them.
    kept = {f"{INITIAL}{name}": value for name, value in initial.items() if place.rank == 0}
    return Ready(engine, parameters, rows, heldout, order, steps, commit.step if commit else 0, commit, bf16, kept,
                 penalty, rollback, tasks)  # fmt: skip


def newest_commit(job: Job, place: Place, say: Callable[[str], None]) -> Commit | None:
    """The commit to go on from: rank 0 looks and verifies, and all take that one. Collective.

    Were each to look for itself, a worker of an attempt given up for lost could still commit in between, and the ranks
    would go on from different steps.
    """
    found: Commit | None = told_by_rank_0(
        latest(job.artifacts.store, job.run, say) if job.resume and place.rank == 0 else None
    )
    return found


def total_steps(stage: StageSection, order: Order) -> int:
    """Optimiser steps of a stage."""
    steps = stage.epochs * order.steps_per_epoch
    return min(steps, stage.max_steps) if stage.max_steps else steps


def wants_bf16(stage: StageSection, place: Place) -> bool:
    """Whether weights and activations are bf16: on GPUs that have it by default, else where the recipe says so."""
    if stage.precision == "auto":
        return place.has_bf16
    if stage.precision == "bf16" and place.cuda and not place.has_bf16:
        raise TrainError(f"{torch.cuda.get_device_name()} has no bf16.", "Set train.precision to fp32 or auto.")
    return stage.precision == "bf16"


def flash_fits(stage: StageSection, bf16: bool, device: str) -> bool:
    """Whether packed rows go through the flash kernel, where the model can (models/packed.py): it has no fp32, and a
    prefix has an attention of its own."""
    return device.startswith("cuda") and bf16 and stage.method != "prefix"


def build_model(job: Job, bf16: bool, device: str = "cpu") -> PreTrainedModel:
    """The model that the stage trains: the source, with fresh adapters for LoRA. Only a quantised base lies on `device`
    already: quantising is fast there."""
    model = load_source(job, bf16)
    if flash_fits(job.stage, bf16, device) and flash_works(device):
        use_packed(model)
    if has_prefix(model):
        raise ModelError(
            f"Stage {job.stage.name!r} starts from {job.source.partition(':')[2]}, a frozen base with a prefix: "
            "nothing can be trained on from that.",
            "Start from the base that it was trained on (novelray trace shows it).",
        )
    if job.stage.method == "prefix":
        torch.manual_seed(job.seed)  # a projection's first layer is random: the same on every rank
        model = add_prefix(model, job.stage.prefix, _opening(job))
    limit = getattr(model.config, "max_position_embeddings", job.context)
    if job.context > limit:
        raise TrainError(
            f"shards.context is {job.context} tokens and the base model reads {limit}.",
            f"Set shards.context to at most {limit}, or extend the model with model.rope.",
        )
    if job.stage.activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if job.stage.method == "qlora":
        quantise(model, job.stage.bits, device)
    if job.stage.liger:
        check_liger(device)
        use_liger(model)
    if job.stage.compile:
        compile_layers(model)
    if job.stage.adapts:
        torch.manual_seed(job.seed)  # A is random: the same on every rank
        return add_lora(model, job.stage.lora)
    if job.stage.method == "prefix":
        return model
    return train_above(model, job.stage.freeze_layers)


def _opening(job: Job) -> torch.Tensor:
    """The first row to train on: [context] token ids."""
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    assert rows is not None
    return torch.from_numpy(rows.batch(np.array([0])).input_ids[0])


def load_source(job: Job, bf16: bool, source: str | None = None) -> PreTrainedModel:
    """What the stage starts from, or another source, as it is stored, with the recipe's changes to positions and
    attention."""
    tokenizer = load_tokenizer(folder_of(job.tokenizer, job))
    dtype = torch.bfloat16 if bf16 else torch.float32
    return load_model(
        source or job.source, job.artifacts, dtype, tokenizer=tokenizer, context=job.position_limit, seed=job.seed,
        trust_remote_code=job.model.trust_remote_code, changes=Changes(job.model.rope, job.model.attention),
    )  # fmt: skip


def folder_of(source: str, job: Job) -> Path:
    """The local folder of a `folder:` or `artifact:` source, verified."""
    kind, _, value = source.partition(":")
    return Path(value) if kind == "folder" else job.artifacts.get(value).local()


def release(ready: Ready) -> None:
    """Take an engine apart, so that another finds room in its place. `ready` is of no use afterwards."""
    ready.engine.destroy()
    ready.engine = ready.penalty = None
    ready.parameters.clear()


def _engine(job: Job, place: Place, model: PreTrainedModel, bf16: bool) -> Any:
    accumulation = job.stage.global_batch // (job.stage.micro_batch * place.world)
    scaling = job.scaling
    config = deepspeed_config(job.stage, scaling.zero, scaling.offload, accumulation, bf16, place.cuda)
    module = (TaskLosses if job.stage.tasks else NextTokenLoss)(model)
    if scaling.offload != "parameters":
        module = module.to(place.device)
    return build_engine(module, build_optimizer(module, job.stage), config)

"""Training speed and memory on one GPU, through Ray Train, beside a bare PyTorch loop.

    python benchmarks/gpu/train.py [--budget 510] [--steps 12] [--small]

Models have the shapes of published ones and random weights. Each case is a stage of `novelray train` in a Ray Train
worker, without commits; its figures are the journal's own: tokens/s of trained tokens (the median of its lines without
the first), MFU by the rule in novelray/train/efficiency.py (full 6N, LoRA 4N, recomputation left out), peak memory. The
bare loop is another worker with the same model, rows, attention and loss, and fused AdamW; it keeps no fp32 copy of the
weights, no journal and no schedule. Micro-batches are as big as the memory model says that the guide's memory allows.

Cases come in the order of their worth, and those that the budget (seconds) has no room for are skipped. Without CUDA,
or with `--small`, the same code runs on tiny models. Not run on a GPU yet. Prints a table and, last, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from gpu.shapes import REAL, SMALL, Shape, write_model
from workload import make_job, stories

LOGGED = 3
"""Steps between two lines of the journal."""


@dataclass(frozen=True)
class Case:
    """One row of the table. `packed`: many documents in a row instead of mostly one."""

    model: str
    method: str
    context: int = 1024
    packed: bool = False

    @property
    def name(self) -> str:
        """For the table and as the key in the JSON."""
        return f"{self.model} {self.method} {self.context}{' packed' if self.packed else ''}"


CASES = (
    Case("7b", "lora", 4096), Case("7b", "full"), Case("7b", "lora"), Case("7b", "qlora"), Case("13b", "lora"),
    Case("1.3b", "lora"), Case("1.3b", "qlora"), Case("13b", "qlora"), Case("7b", "lora", 4096, packed=True),
)  # fmt: skip


def main() -> None:
    """Run what the budget has room for, and print."""
    import torch

    from novelray.onray.session import session

    options, began = arguments(), time.monotonic()
    cuda = torch.cuda.is_available() and not options.small
    shapes = REAL if cuda else SMALL
    room = Path("/dev/shm") if cuda and shutil.disk_usage("/dev/shm").free > 40 << 30 else None
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="novelray-bench-", dir=room) as folder, session():
        longest = 0.0
        for case in CASES:
            start = time.monotonic()
            if longest and options.budget - (start - began) < 1.2 * longest:  # the first always runs
                found[case.name] = {"skipped": "no time left"}
            else:
                found[case.name] = measure(case, shapes[case.model], Path(folder), options.steps, cuda)
                longest = max(longest, time.monotonic() - start)
            print(line(case.name, found[case.name]), flush=True)
    device = torch.cuda.get_device_name() if cuda else "cpu"
    print(json.dumps({"device": device, "small": not cuda, "seconds": round(time.monotonic() - began), "cases": found}))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Training on one GPU.")
    parser.add_argument("--budget", type=float, default=510, help="seconds; cases that find no room are skipped")
    parser.add_argument("--steps", type=int, default=12, help="optimiser steps of a case")
    parser.add_argument("--small", action="store_true", help="tiny models on the CPU")
    return parser.parse_args()


def measure(case: Case, shape: Shape, folder: Path, steps: int, cuda: bool) -> dict[str, Any]:
    """Both loops of a case; what fails says why, and the next case goes on."""
    import ray

    job = job_of(case, shape, folder, steps, cuda)
    stage = job.stage
    found: dict[str, Any] = {"micro_batch": stage.micro_batch, "recompute": stage.activation_checkpointing}
    try:
        found |= ours(job, cuda)
        task: Any = ray.remote(num_gpus=1 if cuda else 0, max_retries=0, max_calls=1)(bare)
        found["bare"] = ray.get(task.remote(job, cuda))
        found["ratio_bare"] = round(found["tokens_per_s"] / found["bare"]["tokens_per_s"], 3)
    except Exception as error:
        found["failed"] = (str(error).strip().splitlines() or [type(error).__name__])[-1][:200]
    if "memory_peak" in found:
        found |= {"guide_gb": shape.guide / 1e9, "memory_gb": round(found["memory_peak"] / 1e9, 1)}
    if "tokens_per_s" in found and case.context == 1024:
        found["samples_per_s"] = round(found["tokens_per_s"] / 1024, 2)
    return found


def job_of(case: Case, shape: Shape, folder: Path, steps: int, cuda: bool) -> Any:
    """The stage; about 16k tokens a step, in as few micro-batches as fit."""
    from novelray.plan import estimate, shape_of, strategy_of

    source = folder / case.model
    if not source.exists():
        for other in set(REAL) - {case.model}:  # one model at a time: they are big
            shutil.rmtree(folder / other, ignore_errors=True)
        write_model(shape, source)
    texts = stories()
    if not case.packed:
        texts = ["\n".join(texts)] * 2
    rows = max(1, 16_384 // case.context) if cuda else 2
    stage = {"method": case.method, "max_steps": steps, "global_batch": rows, "micro_batch": 1,
             "learning_rate": 1e-5, "precision": "bf16" if cuda else "fp32"}  # fmt: skip
    made = make_job(folder, f"folder:{source}", case.context, texts, stage, position_limit=shape.positions)
    telemetry = made.telemetry.model_copy(update={"log_every": LOGGED, "tensorboard": False, "flush_s": 0.2})
    made = replace(made, telemetry=telemetry, keep_checkpoints=0)
    limit = shape.guide if case.method != "full" else 130e9
    for recompute in (False, True):
        for micro in (8, 4, 2, 1):
            changes = {"micro_batch": min(micro, rows), "activation_checkpointing": recompute}
            stage_section = made.stage.model_copy(update=changes)
            strategy = strategy_of(stage_section, made.scaling, case.context, cuda)
            if estimate(shape_of(shape.config), strategy).total < 0.9 * limit:
                return replace(made, stage=stage_section)
    return replace(made, stage=stage_section)


def ours(job: Any, cuda: bool) -> dict[str, Any]:
    """The stage through Ray Train, and what its journal says."""
    from ray.train.v2.api.exceptions import TrainingFailedError

    from novelray.onray.train import failure_of, layout_now, trainer_for
    from novelray.telemetry.journal import read_journal

    scaling = job.scaling.model_copy(update={"device": "gpu" if cuda else "cpu"})
    job.artifacts.store.delete(job.run)
    try:
        trainer_for(job, layout_now(scaling)).fit()
    except TrainingFailedError as error:
        raise failure_of(error) from None
    lines = [event for event in read_journal(job.artifacts.store, job.run) if event["kind"] == "train"]
    found = {"tokens_per_s": statistics.median(event["tokens_per_s"] for event in lines[1:])}
    if "mfu" in lines[-1]:
        found["mfu"] = statistics.median(event["mfu"] for event in lines[1:])
    return {**found, "memory_peak": lines[-1]["memory_peak"], "loss": lines[-1]["loss"]}


def bare(job: Any, cuda: bool) -> dict[str, Any]:
    """The same steps as one would write them by hand."""
    import torch

    from novelray.train.efficiency import Efficiency
    from novelray.train.inputs import on_device
    from novelray.train.objective import NextTokenLoss
    from novelray.train.order import training_rows
    from novelray.train.setup import build_model

    device, stage = "cuda" if cuda else "cpu", job.stage
    rows, order = training_rows(job)
    module = NextTokenLoss(build_model(job, stage.precision == "bf16", device)).to(device).train()
    weights = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=stage.learning_rate, weight_decay=stage.weight_decay, fused=True)
    tokens, began = 0, 0.0
    for step in range(stage.max_steps):
        if step == LOGGED:  # warm
            _wait(cuda)
            tokens, began = 0, time.perf_counter()
        indices = order.batch(*divmod(step, order.steps_per_epoch))
        count = int(rows.trained[indices[indices >= 0]].sum())
        for micro in indices.reshape(-1, stage.micro_batch):
            (module(*on_device(rows, micro, device)) / count).backward()
        torch.nn.utils.clip_grad_norm_(weights, stage.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += count
    _wait(cuda)
    speed = tokens / (time.perf_counter() - began)
    return {"tokens_per_s": round(speed, 1), **Efficiency.of(module.model, 1, device).figures(speed)}


def _wait(cuda: bool) -> None:
    import torch

    if cuda:
        torch.cuda.synchronize()


def line(name: str, found: dict[str, Any]) -> str:
    """A row of the table."""
    if "tokens_per_s" not in found:
        return f"{name:<24}{found.get('skipped') or found.get('failed')}"
    mfu = f"{found['mfu']:.1%}" if "mfu" in found else "-"
    bare_speed = f"{found['bare']['tokens_per_s']:,.0f}" if "bare" in found else found.get("failed", "-")
    return (f"{name:<24}{found['tokens_per_s']:>10,.0f} tokens/s  MFU {mfu:>6}  {found['memory_gb']:>6.1f} GB "
            f"(guide {found['guide_gb']:.0f})  bare {bare_speed} tokens/s")  # fmt: skip


if __name__ == "__main__":
    main()

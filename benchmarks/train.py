"""Training speed: our loop beside a bare PyTorch loop and beside peers, on the same rows with the same model.

    python benchmarks/train.py [--model nano|mini] [--context 512] [--steps 20] [--rounds 5] [--micro-batch 4]
                               [--llamafactory PYTHON] [--trl PYTHON]

All train every weight in fp32 with AdamW, clip the gradient, and count trained (non-padding) tokens only. The bare loop
is what one would write by hand with the same tricks: forward, loss, backward, fused AdamW, the same allocator settings.
Ours is that of `novelray train`, through the DeepSpeed engine, with its journal, learning-rate schedule and a commit
at the end, all of which is inside the clock. Peers run in an environment of their own, whose Python is given: a step is
the median between their own callbacks, without their start. Rounds alternate, and the medians are compared. Several
workers and GPUs are not covered.

`first_step_s` is the time from the command to the first optimiser step done: for us `novelray train` with its Ray
cluster, its data ready; for peers the script that runs them.

Prints a table and, last, one JSON object: `ratio_bare`, `ratio_llamafactory` and `ratio_trl` are our
tokens/s over theirs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from alone import one_worker
from workload import make_job, stories

PEERS = ("llamafactory", "trl")
ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": "1073741824", "MALLOC_TRIM_THRESHOLD_": "4294967296", "MALLOC_TOP_PAD_": "268435456",
}  # fmt: skip


def main() -> None:
    """Measure and print."""
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="novelray-bench-") as folder:
        stage = {
            "method": "full", "max_steps": options.steps, "precision": "fp32", "global_batch": options.global_batch,
            "micro_batch": options.micro_batch,
        }  # fmt: skip
        job = make_job(Path(folder), f"scratch:{options.model}", options.context, stories(), stage)
        peers = {name: python for name in PEERS if (python := getattr(options, name))}
        if peers:
            write_for_peers(job, Path(folder))
        speeds: dict[str, list[float]] = {}
        firsts: dict[str, list[float]] = {}
        for number in range(options.rounds + 1):  # the first round warms up and is not counted
            measured = {"bare": run_bare(job, options), "ours": run_ours(job, options, number)}
            for name, python in peers.items():
                measured[name], first = run_peer(name, python, job, Path(folder), options)
                firsts.setdefault(name, []).append(first)
            if number:
                print(f"round {number}: " + "   ".join(f"{name} {speed:8,.0f}" for name, speed in measured.items()))
                for name, speed in measured.items():
                    speeds.setdefault(name, []).append(speed)
        if peers:
            firsts["ours"] = [first_step(Path(folder), number) for number in range(options.rounds + 1)]
    report(speeds, firsts, options)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Our training loop beside a bare one.")
    parser.add_argument("--model", default="nano", choices=["nano", "mini"])
    parser.add_argument("--context", type=int, default=512, help="tokens per row")
    parser.add_argument("--steps", type=int, default=20, help="optimiser steps per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--micro-batch", type=int, default=4)
    parser.add_argument("--global-batch", type=int, default=8)
    for name in PEERS:
        parser.add_argument(f"--{name}", metavar="PYTHON", help=f"an environment with {name} in it")
    return parser.parse_args()


def run_bare(job, options: argparse.Namespace) -> float:
    """Tokens per second of a loop written by hand over the same rows in the same order."""
    import torch
    from torch.nn.functional import cross_entropy

    from novelray.shards.order import RowOrder
    from novelray.shards.rows import open_rows
    from novelray.train.setup import build_model

    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    order = RowOrder(len(rows), options.global_batch, job.seed)
    model = build_model(job, bf16=False).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=job.stage.learning_rate, weight_decay=job.stage.weight_decay, fused=True
    )
    tokens, began = 0, time.perf_counter()
    for step in range(options.steps):
        indices = order.batch(*divmod(step, order.steps_per_epoch))
        count = int(rows.trained[indices[indices >= 0]].sum())
        for micro in indices.reshape(-1, options.micro_batch):
            batch = rows.batch(micro)
            ids, positions, mask = (torch.from_numpy(x) for x in (batch.input_ids, batch.position_ids, batch.mask))
            logits = model(input_ids=ids, position_ids=positions, use_cache=False).logits[:, :-1]
            labels = ids[:, 1:].masked_fill(~mask[:, 1:], -100)
            loss = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="sum") / count
            loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), job.stage.gradient_clipping)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        tokens += count
    return tokens / (time.perf_counter() - began)


def run_ours(job, options: argparse.Namespace, number: int) -> float:
    """Tokens per second of the loop of `novelray train`, one worker."""
    from novelray.telemetry.journal import Journal
    from novelray.train.job import Place
    from novelray.train.loop import Loop
    from novelray.train.setup import prepare

    place = Place(attempt=f"round-{number}")
    ready = prepare(job, place, print)
    journal = Journal(job.artifacts.store, job.run, f"{number}", 2.0)
    began = time.perf_counter()
    Loop(job, place, ready, journal, lambda metrics: None).run()
    seconds = time.perf_counter() - began
    journal.close()
    order = ready.order
    batches = [order.batch(*divmod(step, order.steps_per_epoch)) for step in range(options.steps)]
    return sum(int(ready.rows.trained[b[b >= 0]].sum()) for b in batches) / seconds


def write_for_peers(job, folder: Path) -> None:
    """The same model and the same rows, without their padding, as peers read them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from novelray.shards.rows import open_rows
    from novelray.shards.tokenizer import load_tokenizer
    from novelray.train.setup import build_model

    build_model(job, bf16=False).save_pretrained(folder / "model")
    load_tokenizer(folder / "tokenizer").save_pretrained(folder / "model")
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    batch = rows.batch(range(len(rows)))
    ids = [row[mask].tolist() for row, mask in zip(batch.input_ids, batch.mask, strict=True)]
    pq.write_table(pa.table({"input_ids": ids}), folder / "rows.parquet")


def run_peer(name: str, python: str, job, folder: Path, options: argparse.Namespace) -> tuple[float, float]:
    """(tokens per second, seconds from the command to the first step) of a peer."""
    from novelray.shards.rows import open_rows

    script = Path(__file__).parent / "peers" / f"run_{name}.py"
    asked = {"steps": options.steps, "micro_batch": options.micro_batch, "learning_rate": job.stage.learning_rate,
             "accumulation": options.global_batch // options.micro_batch}  # fmt: skip
    began = time.time()
    paths = [str(folder / part) for part in ("model", "rows.parquet", name)]
    done = subprocess.run(
        [python, str(script), *paths, json.dumps(asked)],
        capture_output=True, text=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-3000:]}")
    found = json.loads(done.stdout.strip().splitlines()[-1])
    trained = open_rows(job.artifacts.get(job.shards).local(), "train").trained
    return options.global_batch * float(trained.mean()) / statistics.median(found["steps"]), found["first"] - began


def first_step(folder: Path, number: int) -> float:
    """Seconds from the command `novelray train` to its first step done; the corpus is made in round 0."""
    novelray = Path(sys.executable).with_name("novelray")
    home = folder / "project"
    if number == 0:
        subprocess.run([novelray, "init", str(home)], check=True, capture_output=True)
    began = time.time()
    subprocess.run(
        [novelray, "train", "recipe.yaml", "--set", "train.max_steps=2", "--set", f"seed={100 + number}"],
        check=True, capture_output=True, cwd=home,
    )  # fmt: skip
    journals = home.rglob("journal/*.jsonl")
    events = [json.loads(line) for file in journals for line in file.read_text("utf-8").splitlines()]
    return min(e["time"] for e in events if e["kind"] == "train" and e["time"] > began) - began


def report(speeds: dict[str, list[float]], firsts: dict[str, list[float]], options: argparse.Namespace) -> None:
    """The table and the line of JSON."""
    import torch

    ours = speeds.pop("ours")
    print(f"\nscratch:{options.model}, fp32, {options.global_batch} rows of {options.context} tokens per step, "
          f"torch {torch.__version__}, {torch.get_num_threads()} threads; medians of {len(ours)} rounds")  # fmt: skip
    print(f"  {'novelray, DeepSpeed ZeRO 0':<30}{statistics.median(ours):10,.0f} tokens/s")
    result: dict[str, object] = {"tokens_per_s": round(statistics.median(ours), 1)}
    for name, found in speeds.items():
        ratio = statistics.median(o / b for o, b in zip(ours, found, strict=True))
        print(f"  {name:<30}{statistics.median(found):10,.0f} tokens/s   ours is {ratio:.3f} of it")
        result |= {f"ratio_{name}": round(ratio, 4), name: round(statistics.median(found), 1)}
    if firsts:
        result["first_step_s"] = {name: round(statistics.median(found[1:]), 1) for name, found in firsts.items()}
    print(json.dumps(result))


def begin() -> None:
    """Start again with the allocator's settings, which glibc reads at start; then one process group for DeepSpeed."""
    if any(os.environ.get(k) != v for k, v in ALLOCATOR.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    one_worker()


if __name__ == "__main__":
    begin()
    main()

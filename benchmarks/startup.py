"""Where the time goes between `train` and its first step: Ray, processes, imports, process group, model, engine.

    python benchmarks/startup.py [--workers 1] [--rounds 3]

A fresh local Ray cluster, then the same tiny stage several times: the first start is cold, the later ones find the
interpreter's files in memory and idle worker processes. The clock starts at the call of `train` and each phase ends
where the next begins, as the worker itself reports it.

Prints a table and, last, one JSON object: seconds to the first step, cold and warm (the median of the later rounds).
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import train as training  # the benchmark beside this one: its job

from novelray.telemetry.journal import read_journal

PHASES = ("controller and placement", "Ray and torch imports, process group", "our imports", "rows, model, engine",
          "first step")  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Time to the first training step.")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    from novelray.onray import session

    began = time.time()
    session.start()
    ray_s = time.time() - began
    with tempfile.TemporaryDirectory(prefix="novelray-bench-") as folder:
        rounds = [start_once(Path(folder) / str(n), options, n) for n in range(options.rounds)]
    session.stop()
    report(ray_s, rounds, options)


def start_once(folder: Path, options: argparse.Namespace, number: int) -> list[float]:
    """Seconds of each phase of one start."""
    from novelray.onray.train import train

    shape = argparse.Namespace(model="nano", context=256, steps=3, global_batch=4, micro_batch=1)
    folder.mkdir()
    job = training.make_job(folder, shape)
    scaling = job.scaling.model_copy(update={"workers": options.workers})
    plan = replace(job.plan, section={"round": number})
    job = replace(job, plan=plan, scaling=scaling, export=True)
    began = time.time()
    train(job, lambda line: None)
    events = read_journal(job.artifacts.store, job.run)
    marks = next(e for e in events if e["kind"] == "start")["marks"]
    first = next(e["time"] for e in events if e["kind"] == "train")
    times = [began, marks["process"], marks["function"], marks["imported"], marks["prepared"], first]
    return [later - earlier for earlier, later in itertools.pairwise(times)]


def report(ray_s: float, rounds: list[list[float]], options: argparse.Namespace) -> None:
    """The table and the line of JSON."""
    cold, warm = rounds[0], [statistics.median(r[i] for r in rounds[1:] or rounds) for i in range(len(PHASES))]
    print(f"\n{options.workers} worker(s); a local Ray cluster starts in {ray_s:.1f} s\n{'':<40}{'cold':>8}{'warm':>8}")
    for name, a, b in zip(PHASES, cold, warm, strict=True):
        print(f"  {name:<38}{a:7.1f}s{b:7.1f}s")
    print(f"  {'to the first step':<38}{sum(cold):7.1f}s{sum(warm):7.1f}s")
    figures = {"ray_s": ray_s, "cold_s": sum(cold), "warm_s": sum(warm)}
    print(json.dumps({name: round(value, 2) for name, value in figures.items()}))


if __name__ == "__main__":
    main()

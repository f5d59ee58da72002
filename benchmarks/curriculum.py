"""A curriculum against uniform order: the same model, rows, number of steps and learning rates, on a real novel.

    python benchmarks/curriculum.py [--novels FOLDER] [--steps 200] [--seeds 1]

A nano model first learns from another novel for some steps (a model with random weights finds all rows equally hard).
From it the target is learned three times: in uniform order, by the guide's curriculum with the rows' difficulty told by
their text, and by the same with their difficulty told by the starting model's loss. The guide's course over 20 epochs
is shortened to 8: easy rows alone for 2, then 4 epochs until 0.2 of them are easy, then 2 as they are. The rows come
from passages spread over the whole novel; every fifth chapter is held out, and the loss on passages from those is
measured all along.

Prints a table and, last, one JSON object: `*_best` is the lowest held-out loss, `*_last` that at the end, in nats per
token; `*_gain` is by how much the best is below that of uniform order. Not covered: larger models, tuned rates.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from alone import one_worker

HERE = Path(__file__).parent
NEIGHBOUR, TARGET = "zh/西游记.txt", "zh/红楼梦.txt"
CHAPTER = re.compile(r"^第[零〇一二三四五六七八九十百]+回", re.M)
EPOCHS = 8
COURSE = ({"epoch": 2, "easy": 1.0}, {"epoch": 6, "easy": 0.2})
PASSAGE = 400  # characters
HELD_OUT = 64  # rows
COURSES: dict[str, dict[str, Any] | None] = {
    "uniform": None,
    "scores": {"schedule": COURSE, "difficulty": "scores"},
    "loss": {"schedule": COURSE, "difficulty": "loss"},
}


def main() -> None:
    """Train and print."""
    options = arguments()
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in COURSES}
    for seed in range(1, options.seeds + 1):
        with tempfile.TemporaryDirectory(prefix="novelray-bench-") as folder:
            base = prepared(Path(folder), options, seed)
            for name, section in COURSES.items():
                best, last = trained(base, name, section)
                results[name].append((best, last))
                print(f"seed {seed}  {name:10} best {best:.4f}  last {last:.4f}", flush=True)
    report(results)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="A curriculum against uniform order.")
    parser.add_argument("--novels", default=str(HERE.parent.parent / "shared" / "corpora"))
    parser.add_argument("--steps", type=int, default=200, help="optimiser steps over the target, about")
    parser.add_argument("--first-steps", type=int, default=100, help="optimiser steps over the other novel before")
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--global-batch", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    return parser.parse_args()


def chapters_of(path: Path) -> list[str]:
    """The chapters of a novel whose chapters begin with 第…回."""
    if not path.is_file():
        sys.exit(f"There is no {path}: give the folder of novels with --novels.")
    text = path.read_text("utf-8").replace("\r", "")
    starts = [m.start() for m in CHAPTER.finditer(text)]
    return [text[a:b] for a, b in zip(starts, [*starts[1:], len(text)], strict=True) if b - a > 1000]


def prepared(folder: Path, options: argparse.Namespace, seed: int) -> Any:
    """The job over the target in uniform order, its base trained on the neighbour. Rows: as many as 20 epochs need."""
    from novelray.recipe.model import ModelSection
    from novelray.recipe.scaling import ScalingSection
    from novelray.recipe.telemetry import TelemetrySection
    from novelray.shards.encode import Encoder
    from novelray.shards.tokenizer import save_tokenizer, train_bpe
    from novelray.storage import Artifacts, Plan, Store
    from novelray.train.job import Job
    from novelray.train.stage import run_stage

    near, target = (chapters_of(Path(options.novels) / name) for name in (NEIGHBOUR, TARGET))
    tokenizer = train_bpe([*near[:40], *target[:40]], 2048)
    save_tokenizer(tokenizer, folder / "tokenizer")
    encoder, artifacts = Encoder.of(tokenizer), Artifacts(Store(str(folder / "store")))
    wanted = options.steps * options.global_batch / EPOCHS * options.context  # tokens
    shards = made_shards(artifacts, "target", target, encoder, options.context, wanted)
    first = Job(
        plan=Plan("model", 1, section={"first": seed}), artifacts=artifacts,
        stage=stage_of(options, options.first_steps, 10**6, epochs=1000), scaling=ScalingSection(),
        model=ModelSection(), telemetry=TelemetrySection(tensorboard=False), seed=seed, source="scratch:nano",
        shards=made_shards(artifacts, "near", near, encoder, options.context, 10 * wanted).id,
        tokenizer=f"folder:{folder / 'tokenizer'}", context=options.context, position_limit=1024,
        checkpoint_every=10**6, keep_checkpoints=1,
    )  # fmt: skip
    run_stage(first, place())
    stage = stage_of(options, None, max(1, options.steps // 20), epochs=EPOCHS)
    return replace(first, stage=stage, source=f"artifact:{first.plan.id}", shards=shards.id, export=False)


def stage_of(options: argparse.Namespace, steps: int | None, validate_every: int, epochs: int) -> Any:
    """A stage of full fine-tuning."""
    from novelray.recipe.train import StageSection

    return StageSection.model_validate({
        "name": "bench", "method": "full", "epochs": epochs, "max_steps": steps, "precision": "fp32", "warmup": 0.05,
        "learning_rate": 1e-3, "global_batch": options.global_batch, "micro_batch": options.global_batch,
        "validate_every": validate_every, "validation_rows": HELD_OUT,
    })  # fmt: skip


def made_shards(artifacts: Any, book: str, chapters: list[str], encoder: Any, context: int, tokens: float) -> Any:
    """About so many tokens of training rows, and HELD_OUT rows of chapters that are held out."""
    from novelray.corpus.quality.readability import difficulties, readability
    from novelray.shards.make import make_shard
    from novelray.storage import Plan

    draft = artifacts.begin(Plan("shards", 1, section={"book": book}))
    kept = {"train": [c for i, c in enumerate(chapters) if i % 5 != 4], "heldout": chapters[4::5]}
    splits = {split: passages(texts, encoder, tokens if split == "train" else HELD_OUT * context)
              for split, texts in kept.items()}  # fmt: skip
    for split, texts in splits.items():
        data, _ = make_shard([f"{split}:{i}" for i in range(len(texts))], texts, encoder, context)
        draft.write(f"{split}/rows-00000.arrow", data)
    draft.write_json("difficulty.json", difficulties([readability(text, "zh") for text in splits["train"]]))
    return draft.commit()


def passages(chapters: list[str], encoder: Any, tokens: float) -> list[str]:
    """Passages of PASSAGE characters, at even distances in the chapters, with about so many tokens together."""
    all_of_them = [c[start : start + PASSAGE] for c in chapters for start in range(0, len(c) - PASSAGE, PASSAGE)]
    length = sum(len(ids) for ids in encoder.encode(all_of_them[::50])) / len(all_of_them[::50])
    count = min(len(all_of_them), max(1, round(tokens / length)))
    return [all_of_them[i * len(all_of_them) // count] for i in range(count)]


def trained(base: Any, name: str, section: dict[str, Any] | None) -> tuple[float, float]:
    """Lowest and last held-out loss of a run by one of the courses."""
    from novelray.telemetry.journal import read_journal
    from novelray.train.audit import audit
    from novelray.train.stage import run_stage

    job = replace(base, plan=replace(base.plan, section={"course": name, "seed": base.seed}))
    if section is not None:
        stage = type(job.stage).model_validate({**job.stage.model_dump(), "curriculum": section})
        job = replace(job, stage=stage, difficulty=measured(job, section["difficulty"]).id)
    run_stage(job, place())
    losses = [e["loss"] for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "validation"]
    shares = [f"{e.bands[0] / sum(e.bands):.2f}" for e in audit(job)] if section else []
    print(f"  {name}: held-out loss {' '.join(f'{x:.3f}' for x in losses)}", flush=True)
    print(f"  {name}: easy rows by epoch {' '.join(shares)}" if shares else "", flush=True)
    return min(losses), losses[-1]


def measured(job: Any, by: str) -> Any:
    """The artifact with the difficulty of the target's rows."""
    from novelray.onray.difficulty import loss_task
    from novelray.shards.difficulty import DIFFICULTY_FILE, difficulty_bytes, row_difficulty
    from novelray.shards.rows import open_rows
    from novelray.storage import Plan

    shards = job.artifacts.get(job.shards)
    if by == "loss":
        values = loss_task(job, 0, 1, gpu=False)
    else:
        numbers = shards.read_json("difficulty.json")
        values = row_difficulty(open_rows(shards.local(), "train"), {f"train:{i}": x for i, x in enumerate(numbers)})
    draft = job.artifacts.begin(Plan("difficulty", 1, {"shards": shards.id}, {"by": by, "seed": job.seed}))
    draft.write(DIFFICULTY_FILE, difficulty_bytes(values))
    return draft.commit()


def place() -> Any:
    """The only worker."""
    from novelray.train.job import Place

    return Place()


def report(results: dict[str, list[tuple[float, float]]]) -> None:
    """The table and the line of JSON."""
    figures: dict[str, float] = {}
    for name, pairs in results.items():
        figures[f"{name}_best"] = round(statistics.mean(best for best, _ in pairs), 4)
        figures[f"{name}_last"] = round(statistics.mean(last for _, last in pairs), 4)
        figures[f"{name}_gain"] = round(figures["uniform_best"] - figures[f"{name}_best"], 4)
        print(f"{name:10} best {figures[f'{name}_best']:.4f}  last {figures[f'{name}_last']:.4f}  "
              f"gain {figures[f'{name}_gain']:+.4f} nats per token, mean of {len(pairs)} seed(s)")  # fmt: skip
    print(json.dumps(figures))


if __name__ == "__main__":
    one_worker()
    main()

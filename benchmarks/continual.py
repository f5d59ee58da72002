"""Forgetting: a model trained on old novels, then on new ones, plainly and with EWC, replay and both.

    python benchmarks/continual.py [--novels FOLDER] [--old 'zh/*.txt'] [--new 'en/*utf8.txt'] [--strength 10]
                                   [--replay 0.2] [--method full|lora] [--old-rows 2000] [--new-rows 800]

`scratch:nano` learns the old novels from nothing; each arm then goes on from that model through the same new rows.
Novels are cut into pieces of about 3,000 characters, of which every tenth is held out. Forgetting is the rise of the
perplexity per token on the old novels' held-out pieces; what is learned is the perplexity on the new novels'. Both are
taken after the last step. An arm with replay takes more steps: it sees the same new rows, and old ones besides.

Prints a table and, last, one JSON object: per arm `forgetting` and `new` (perplexities), `forgetting_ratio` (to plain
fine-tuning, goal at most 0.5) and `new_ratio` (goal at most 1.1). Not covered: several workers, models that know more.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from alone import one_worker

PIECE = 3000
HELD_OUT = 10


def main() -> None:
    """Train, measure and print."""
    options = arguments()
    one_worker()
    with tempfile.TemporaryDirectory(prefix="novelray-bench-") as folder:
        old, new = corpora(Path(folder), options)
        base = first_job(old, options)
        before = {**timed(base, "old novels"), **perplexities(base, old, new)}
        arms = {}
        for name, continual in arms_of(options).items():
            job = next_job(base, old, new, name, continual, options)
            arms[name] = {**timed(job, name), **perplexities(job, old, new)}
    report(before, arms, options)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Forgetting, plainly and with EWC, replay and both.")
    parser.add_argument("--novels", default=os.environ.get("NOVELRAY_NOVELS", "shared/corpora"))
    parser.add_argument("--old", default="zh/*.txt", help="glob of UTF-8 text files below --novels")
    parser.add_argument("--new", default="en/*utf8.txt")
    parser.add_argument("--old-rows", type=int, default=2000)
    parser.add_argument("--new-rows", type=int, default=800)
    parser.add_argument("--context", type=int, default=128, help="tokens per row")
    parser.add_argument("--rate-old", type=float, default=2e-3, help="learning rate on the old novels")
    parser.add_argument("--rate-new", type=float, default=1e-3)
    parser.add_argument("--strength", type=float, default=10.0, help="of the EWC penalty")
    parser.add_argument("--fisher-rows", type=int, default=200)
    parser.add_argument("--replay", type=float, default=0.2, help="share of old rows in each batch")
    parser.add_argument("--method", default="full", choices=["full", "lora"])
    return parser.parse_args()


def arms_of(options: argparse.Namespace) -> dict[str, dict]:
    """What is done against forgetting, by name."""
    ewc = {"ewc": {"strength": options.strength, "rows": options.fisher_rows}}
    replay = {"replay": options.replay}
    return {"plain": {}, "ewc": ewc, "replay": replay, "both": {**ewc, **replay}}


def corpora(folder: Path, options: argparse.Namespace):
    """The shards of the old and the new novels, made with one tokenizer of both."""
    from novelray.shards.tokenizer import save_tokenizer, train_bpe
    from novelray.storage import Artifacts, Plan, Store

    artifacts = Artifacts(Store(str(folder / "store")))
    texts = [pieces(Path(options.novels), glob) for glob in (options.old, options.new)]
    tokenizer = train_bpe([*texts[0][::4], *texts[1][::4]], 2048)
    save_tokenizer(tokenizer, folder / "tokenizer")
    draft = artifacts.begin(Plan("tokenizer", 1))
    draft.add_folder(folder / "tokenizer")
    draft.commit()
    rows = (options.old_rows, options.new_rows)
    return [
        shards(artifacts, name, some, tokenizer, options.context, count)
        for name, some, count in zip(("old", "new"), texts, rows, strict=True)
    ]


def pieces(novels: Path, glob: str) -> list[str]:
    """The novels of a glob in pieces, taken from all of them in turn."""
    books = []
    for path in sorted(novels.glob(glob)):
        text = path.read_text("utf-8-sig").replace("\r\n", "\n")
        inner = text[len(text) // 50 : -len(text) // 20]  # without the publisher's pages at both ends
        books.append([inner[start : start + PIECE] for start in range(0, len(inner), PIECE)])
    if not books:
        raise SystemExit(f"no novels match {novels}/{glob}; give --novels")
    longest = max(map(len, books))
    return [book[place] for place in range(longest) for book in books if place < len(book)]


def shards(artifacts, name: str, texts: list[str], tokenizer, context: int, rows: int):
    """An artifact of about `rows` training rows and a tenth as many held out."""
    from novelray.shards.encode import Encoder
    from novelray.shards.make import make_shard
    from novelray.storage import Plan

    draft = artifacts.begin(Plan("shards", 1, section={"name": name}))
    kept = {
        "heldout": [t for n, t in enumerate(texts) if n % HELD_OUT == 0],
        "train": [t for n, t in enumerate(texts) if n % HELD_OUT],
    }
    for split, some in kept.items():
        wanted = rows if split == "train" else max(16, rows // HELD_OUT)
        size, take = 0, 0
        while take < len(some) and size < wanted * context:
            size += len(tokenizer(some[take])["input_ids"])
            take += 1
        data, _ = make_shard([f"{name}:{n}" for n in range(take)], some[:take], Encoder.of(tokenizer), context)
        draft.write(f"{split}/rows-00000.arrow", data)
    return draft.commit()


def first_job(old, options: argparse.Namespace):
    """The stage on the old novels."""
    from novelray.recipe.model import ModelSection
    from novelray.recipe.scaling import ScalingSection
    from novelray.recipe.telemetry import TelemetrySection
    from novelray.recipe.train import StageSection
    from novelray.storage import Plan
    from novelray.train.job import Job

    stage = StageSection.model_validate({
        "name": "old", "method": "full", "epochs": 1, "learning_rate": options.rate_old, "global_batch": 8,
        "micro_batch": 8, "validate_every": 10**6, "precision": "fp32",
    })  # fmt: skip
    tokenizer = next(a for a in old.artifacts.all() if a.manifest.kind == "tokenizer")
    return Job(
        plan=Plan("model", 1, {"shards": old.id, "base": "scratch:nano"}, {"stage": "old"}), artifacts=old.artifacts,
        stage=stage, scaling=ScalingSection(), model=ModelSection(), telemetry=TelemetrySection(tensorboard=False),
        seed=1, source="scratch:nano", shards=old.id, tokenizer=f"artifact:{tokenizer.id}", context=options.context,
        position_limit=options.context, checkpoint_every=10**6, keep_checkpoints=1,
    )  # fmt: skip


def next_job(base, old, new, name: str, continual: dict, options: argparse.Namespace):
    """One arm's stage on the new novels, from the model of the old ones."""
    from novelray.recipe.continual import ContinualSection
    from novelray.storage import Plan
    from novelray.train.fisher import fisher_plan

    section = ContinualSection.model_validate(continual)
    stage = base.stage.model_copy(update={
        "name": name, "learning_rate": options.rate_new, "epochs": 1, "continual": section, "method": options.method,
    })  # fmt: skip
    source = f"artifact:{base.plan.id}"
    return replace(
        base, plan=Plan("model", 1, {"shards": new.id, "base": base.plan.id}, {"stage": name}), stage=stage,
        source=source, shards=new.id, old_shards=(old.id,) if section.active else (),
        fisher=fisher_plan(stage, source, (old.id,), base.seed),
    )  # fmt: skip


def timed(job, name: str) -> dict[str, float]:
    """Train; seconds."""
    from novelray.train.job import Place
    from novelray.train.stage import run_stage

    began = time.perf_counter()
    run_stage(job, Place())
    seconds = round(time.perf_counter() - began, 1)
    print(f"{name}: trained in {seconds} s", flush=True)
    return {"seconds": seconds}


def perplexities(job, old, new) -> dict[str, float]:
    """Perplexity per token of the model that a job made, on the held-out rows of both."""
    import torch

    from novelray.evaluate.metrics import perplexity
    from novelray.evaluate.score import held_out_loss
    from novelray.models.load import load_model
    from novelray.shards.rows import open_rows

    model = load_model(f"artifact:{job.plan.id}", job.artifacts, torch.float32)
    found = {}
    for name, artifact in (("old", old), ("new", new)):
        rows = open_rows(artifact.local(), "heldout")
        found[name] = round(perplexity(*held_out_loss(model, rows, len(rows))), 3)
    return found


def report(before: dict[str, float], arms: dict[str, dict[str, float]], options: argparse.Namespace) -> None:
    """The table and the line of JSON."""
    print(f"\nscratch:nano, method {options.method}, {options.new_rows} new rows of {options.context} tokens; "
          f"EWC strength {options.strength:g}, replay {options.replay:g}")  # fmt: skip
    print(f"{'':<10}{'old ppl':>10}{'forgetting':>12}{'of plain':>10}{'new ppl':>10}{'of plain':>10}{'seconds':>9}")
    print(f"{'before':<10}{before['old']:>10.1f}{'':>12}{'':>10}{before['new']:>10.1f}")
    plain, result = arms["plain"], {}
    for name, arm in arms.items():
        forgetting = arm["old"] - before["old"]
        result[name] = {
            "old": arm["old"], "new": arm["new"], "forgetting": round(forgetting, 3),
            "forgetting_ratio": round(forgetting / (plain["old"] - before["old"]), 4),
            "new_ratio": round(arm["new"] / plain["new"], 4), "seconds": arm["seconds"],
        }  # fmt: skip
        one = result[name]
        print(f"{name:<10}{arm['old']:>10.1f}{forgetting:>12.1f}{one['forgetting_ratio']:>10.3f}{arm['new']:>10.1f}"
              f"{one['new_ratio']:>10.3f}{arm['seconds']:>9.1f}")  # fmt: skip
    reached = [n for n, r in result.items() if r["forgetting_ratio"] <= 0.5 and r["new_ratio"] <= 1.1]
    print(json.dumps({"benchmark": "continual", "options": vars(options), "before": before, "arms": result,
                      "goal_reached_by": reached}, ensure_ascii=False))  # fmt: skip


if __name__ == "__main__":
    main()

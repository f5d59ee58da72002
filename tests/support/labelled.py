"""Chapters of two styles with labels, as shards; a stage that learns to tell them apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from support.families import tiny_folder
from support.training import CONTEXT, tiny_job

from novelray.recipe.train import StageSection
from novelray.shards.chapters import CHAPTERS_FILE, SCHEMA, chapters_bytes
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifact, Artifacts, Plan
from novelray.train.job import Job

STYLES = {"plain": "风雨江湖剑客夜船灯酒山月", "rich": "马雪楼桥书信梦归门窗火花"}
TASKS = [{"name": "style", "label": "style", "weight": 0.5}, {"name": "genre", "label": "genre", "weight": 0.2}]


def chapters(split: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Texts whose letters tell their style; every fifth has no style, and the genre is told for the first half."""
    random = np.random.default_rng(seed)
    made = []
    for number in range(count):
        style = ("plain", "rich")[number % 2]
        text = "，".join(random.choice(list(STYLES[style]), 4 + int(random.integers(0, 70))))
        labels = [] if number % 5 == 4 else [f"style={style}", "tone=sad"]
        made.append({
            "chapter_id": f"{split}:{number}", "split": split, "book": f"book {number % 3}", "labels": labels,
            "genre": "" if number >= count // 2 else ("wuxia" if style == "plain" else "romance"), "text": text,
            **dict.fromkeys(("author", "language", "perspective", "origin"), ""),
        })  # fmt: skip
    return made


def labelled_shards(artifacts: Artifacts, tokenizer: str, listed: dict[str, list[dict[str, Any]]]) -> Artifact:
    """A shards artifact of these chapters, by split."""
    encoder = Encoder.of(load_tokenizer(artifacts.get(tokenizer).local()))
    draft = artifacts.begin(Plan("shards", 2, {"tokenizer": tokenizer}, {"test": str(listed)[:2000]}))
    for split, some in listed.items():
        data, _ = make_shard([c["chapter_id"] for c in some], [c["text"] for c in some], encoder, CONTEXT)
        draft.write(f"{split}/rows-00000.arrow", data)
    rows = [{name: c[name] for name in SCHEMA.names} for some in listed.values() for c in some]
    draft.write(CHAPTERS_FILE, chapters_bytes(pa.Table.from_pylist(rows, schema=SCHEMA)))
    return draft.commit()


def labelled_job(artifacts: Artifacts, folder: Path, **stage: Any) -> Job:
    """A full fine-tuning stage with two heads; keyword arguments change the stage."""
    values = {"max_steps": 40, "learning_rate": 1e-2, "validate_every": 20, "validation_rows": 100, "tasks": TASKS}
    job = tiny_job(artifacts, folder, **values)
    base = tiny_folder("llama", folder / "base")
    listed = {"train": chapters("train", 60, 1), "heldout": chapters("heldout", 20, 2)}
    shards = labelled_shards(artifacts, job.tokenizer.removeprefix("artifact:"), listed)
    section = StageSection.model_validate({**job.stage.model_dump(exclude_unset=True), **stage})
    plan = Plan("model", 1, {"shards": shards.id}, {"stage": section.identity()})
    return replace(job, plan=plan, stage=section, shards=shards.id, source=f"folder:{base}", checkpoint_every=10)

"""How hard each training row of a stage is, measured once on the cluster: the artifact that a curriculum goes by.

It is an artifact so that a resumed run, and one on other machines, sees the very same numbers and so the same rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from novelray.corpus.quality.readability import Readability, difficulties, readability
from novelray.corpus.schema import chapter_files
from novelray.errors import DamagedError, TrainError
from novelray.models.source import digest_of_source
from novelray.onray.data import Row, map_rows
from novelray.onray.errors import from_ray
from novelray.onray.shards import read_chapters
from novelray.shards.difficulty import DIFFICULTY_FILE, difficulty_bytes, row_difficulty
from novelray.shards.rows import Rows, open_rows
from novelray.storage import Artifact, Plan
from novelray.train.job import Job

STAGE_VERSION = 1
Say = Callable[[str], None]


def with_difficulty(job: Job, corpus: Artifact, say: Say) -> Job:
    """The job with the difficulty of its rows, where its stage has a curriculum; it becomes part of what it is."""
    if job.stage.curriculum is None:
        return job
    made = measure_difficulty(job, corpus, say)
    return replace(job, difficulty=made.id, plan=replace(job.plan, inputs={**job.plan.inputs, "difficulty": made.id}))


def measure_difficulty(job: Job, corpus: Artifact, say: Say) -> Artifact:
    """Measure every training row of the stage's shards, or find what was measured before.

    Raises ClusterError, DamagedError, and what loading the model raises.
    """
    plan = plan_of(job, corpus)
    found = job.artifacts.find(plan.id)
    if found is not None:
        say(f"difficulty: nothing changed, using {found.id} ({_summary(found)})")
        return found
    by_loss = plan.section["difficulty"] == "loss"
    values = _losses(job) if by_loss else _scores(job, corpus)
    if not np.isfinite(values).all():
        raise TrainError(
            f"The loss of {job.source.partition(':')[2]} is not finite on {(~np.isfinite(values)).sum()} of its rows.",
            "Is the base a sound model? Set train.curriculum.difficulty to scores to do without it.",
        )
    draft = job.artifacts.begin(plan)
    draft.write(DIFFICULTY_FILE, difficulty_bytes(values))
    quartiles = [round(float(q), 4) for q in np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0])]
    made = draft.commit({"rows": len(values), "by": plan.section["difficulty"], "quartiles": quartiles})
    say(f"difficulty: {_summary(made)} → {made.id}")
    return made


def plan_of(job: Job, corpus: Artifact) -> Plan:
    """Scores depend on the corpus; losses on the model that the stage starts from."""
    assert job.stage.curriculum is not None
    section: dict[str, Any] = {"difficulty": job.stage.curriculum.difficulty}
    if section["difficulty"] == "scores":
        return Plan("difficulty", STAGE_VERSION, {"shards": job.shards, "corpus": corpus.id}, section)
    section["precision"] = job.stage.precision
    return Plan("difficulty", STAGE_VERSION, {"shards": job.shards, "base": digest_of_source(job.source)}, section)


def _summary(artifact: Artifact) -> str:
    low, _, middle, _, high = artifact.counts["quartiles"]
    unit = "loss in nats per token" if artifact.counts["by"] == "loss" else "difficulty of the text"
    return f"{artifact.counts['rows']:,} rows, {unit} {low:g} to {high:g}, median {middle:g}"


def _scores(job: Job, corpus: Artifact) -> np.ndarray:
    """Rows by how hard their chapters are to read."""
    rows = [{"file": name} for name in chapter_files(corpus)]
    options = {"corpus": corpus, "shards": job.artifacts.get(job.shards)}
    ids: list[str] = []
    measured: list[Readability] = []
    for found in map_rows(rows, _readability_task, options, "Measuring how hard the chapters are"):
        ids += found["ids"]
        measured += [Readability(*values) for values in found["measures"]]
    return row_difficulty(_training_rows(job), dict(zip(ids, difficulties(measured), strict=True)))


def _readability_task(row: Row, corpus: Artifact, shards: Artifact) -> Row:
    """The training chapters of one file that are in the shards' books, and their measures."""
    table = read_chapters(corpus, row["file"], ("chapter_id", "book", "split", "language", "text"))
    books = set(shards.read_json("index.json")["books"])
    chosen = [c for c in table.to_pylist() if c["split"] == "train" and c["book"] in books]
    measures = [readability(c["text"], c["language"]) for c in chosen]
    return {
        "ids": [c["chapter_id"] for c in chosen],
        "measures": [[m.language, m.sentence, m.variety] for m in measures],
    }


def _training_rows(job: Job) -> Rows:
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    if rows is None:
        raise DamagedError(f"{job.shards} has no training rows.", "Make the shards again.")
    return rows


def _losses(job: Job) -> np.ndarray:
    """The loss of the model that the stage starts from, a part of the rows on each worker's share of the cluster."""
    import ray

    from novelray.onray.train import layout_now

    layout = layout_now(job.scaling)
    task: Any = ray.remote(num_cpus=layout.cpus, num_gpus=1 if layout.gpu else 0, max_retries=2)(loss_task)
    try:
        parts = ray.get([task.remote(job, part, layout.workers, layout.gpu) for part in range(layout.workers)])
    except ray.exceptions.RayError as error:
        raise from_ray(error, "Measuring the difficulty of the rows") from error
    return np.concatenate(parts)


def loss_task(job: Job, part: int, parts: int, gpu: bool) -> np.ndarray:
    """The losses of one of so many parts of the rows, in order."""
    from novelray.train.difficulty import row_losses
    from novelray.train.job import Place
    from novelray.train.setup import load_source, wants_bf16

    device = "cuda" if gpu else "cpu"
    model: Any = load_source(job, wants_bf16(job.stage, Place(device=device)))
    rows = _training_rows(job)
    rows.check_vocabulary(model.config.vocab_size)
    mine = np.array_split(np.arange(len(rows)), parts)[part]
    return row_losses(model.to(device), rows, mine)

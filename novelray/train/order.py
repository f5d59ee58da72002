"""The rows of a stage and their order: the one place that decides which row is trained on when."""

from __future__ import annotations

from pathlib import Path

from novelray.errors import TrainError
from novelray.shards.difficulty import DIFFICULTY_FILE, read_difficulty
from novelray.shards.order import Order, RowOrder
from novelray.shards.rows import Rows, open_rows
from novelray.train.curriculum import curriculum
from novelray.train.job import Job
from novelray.train.replay import ReplayOrder


def training_rows(job: Job) -> tuple[Rows, Order]:
    """All rows that the stage trains on, old ones numbered after the new ones, and their order.

    Raises TrainError when there are none, or when old and new ones do not fit together.
    """
    new = _train_split(job, job.shards)
    old = [_train_split(job, name) for name in job.old_shards] if job.stage.continual.replay else []
    for name, rows in zip(job.old_shards, old, strict=False):
        _check_fit(name, rows, new)
    files = [file for rows in (new, *old) for file in rows.files]
    return (Rows(files) if old else new), order_of(job, len(new), sum(map(len, old)))


def order_of(job: Job, new_rows: int, old_rows: int = 0) -> Order:
    """The order of so many new rows, and, with replay, so many old ones."""
    stage = job.stage
    replayed = stage.continual.old_per_batch(stage.global_batch)
    new = _order_of_new(job, new_rows, stage.global_batch - replayed)
    if not replayed:
        return new
    if not old_rows:
        raise TrainError(
            f"Stage {stage.name!r} replays old rows (train.continual.replay), and there are none.",
            "Name the books that they are from in train.continual.old, or set train.continual.replay to 0.",
        )
    return ReplayOrder(new, old_rows, new_rows, replayed, job.seed)


def _order_of_new(job: Job, rows: int, batch: int) -> Order:
    section = job.stage.curriculum
    if section is None:
        return RowOrder(rows, batch, job.seed)
    assert job.difficulty, "whoever makes the job of a stage with a curriculum measures the rows first"
    difficulty = read_difficulty(job.artifacts.get(job.difficulty).read(DIFFICULTY_FILE))
    if len(difficulty) != rows:
        raise TrainError(
            f"{job.difficulty} has the difficulty of {len(difficulty)} rows, and {job.shards} has {rows}.",
            "Delete the first and run the same command again: it is measured anew.",
        )
    return curriculum(section, difficulty, batch, job.stage.epochs, job.seed)


def _train_split(job: Job, shards: str) -> Rows:
    rows = open_rows(_folder(job, shards), "train")
    if rows is None or not len(rows):
        raise TrainError(f"{shards} has no training rows.", "Is everything held out? See corpus.heldout.")
    return rows


def _folder(job: Job, shards: str) -> Path:
    return job.artifacts.get(shards).local()


def _check_fit(name: str, old: Rows, new: Rows) -> None:
    if (old.context, old.pad_id) != (new.context, new.pad_id):
        raise TrainError(
            f"The old rows in {name} have {old.context} tokens and padding {old.pad_id}, the new ones {new.context} "
            f"tokens and padding {new.pad_id}: they cannot be in one batch.",
            f"Set shards.context to {old.context}, or name the old rows' books in train.continual.old, so that rows "
            "of the same kind are made of them.",
        )

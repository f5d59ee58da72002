"""Which rows were trained on, when: read off the order, and held against what the journal says was trained.

    from novelray.train.audit import audit, unlike
    for epoch in audit(job): print(epoch.number, epoch.bands, epoch.old, epoch.chapters.most_common(3))
    assert not unlike(job)

The journal has a fingerprint of the rows of each step that it logs, of the batch as the workers computed it.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novelray.shards.order import Order
from novelray.shards.rows import Rows
from novelray.telemetry.journal import Event, read_journal
from novelray.train.curriculum import CurriculumOrder
from novelray.train.job import Job
from novelray.train.order import training_rows
from novelray.train.replay import ReplayOrder


@dataclass(frozen=True)
class Epoch:
    """What was trained on in one epoch, which counts from 1."""

    number: int
    steps: int
    rows: NDArray[np.int64]
    """Row numbers in the order in which they came; one that came twice is there twice."""
    bands: tuple[int, ...]
    """Rows from each band of a curriculum, from the easiest; empty without one."""
    old: int
    """Replayed rows."""
    chapters: Counter[str]
    """How often a row with a part of the chapter came."""


def audit(job: Job, steps: int | None = None) -> Iterator[Epoch]:
    """Every epoch of a stage, the last as far as it came within `steps` optimiser steps (default: as logged)."""
    rows, order = training_rows(job)
    if steps is None:
        steps = max((int(e["step"]) for e in _logged(job)), default=0)
    for first in range(0, steps, order.steps_per_epoch):
        last = min(first + order.steps_per_epoch, steps)
        yield _epoch(1 + first // order.steps_per_epoch, rows, order, range(first, last))


def _epoch(number: int, rows: Rows, order: Order, steps: range) -> Epoch:
    seen = np.concatenate([batch[batch >= 0] for batch in map(order.at, steps)])
    new = order.new if isinstance(order, ReplayOrder) else order
    bands = new.bands if isinstance(new, CurriculumOrder) else ()
    times = Counter(seen.tolist())
    chapters: Counter[str] = Counter()
    for row, count in times.items():
        chapters.update(dict.fromkeys(rows.chapters(row), count))
    counts = tuple(int(np.isin(seen, band).sum()) for band in bands)
    return Epoch(number, len(steps), seen, counts, int((seen >= len(rows) - order.old_rows).sum()), chapters)


def unlike(job: Job) -> list[int]:
    """The logged steps whose rows were other ones than the order gives; none, unless something is broken."""
    _, order = training_rows(job)
    return [int(e["step"]) for e in _logged(job) if e["rows"] != fingerprint(order.at(int(e["step"]) - 1))]


def fingerprint(batch: NDArray[np.int64]) -> str:
    """CRC-32 of a batch's row numbers, in their order."""
    return f"{zlib.crc32(batch.astype('<i8').tobytes()):08x}"


def _logged(job: Job) -> list[Event]:
    return [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]

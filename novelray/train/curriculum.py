"""Curricula: rows in bands of difficulty, and an order that takes from each band what the schedule says.

An epoch has as many rows as without a curriculum. How many of its first t rows are from which band is a rounded share
of t, for every t: so with two bands an epoch has the shares to within half a row and each batch to within one (with
more bands, a row or two more), and what was dealt before any step is known without going through the steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from novelray.errors import TrainError
from novelray.recipe.curriculum import CurriculumSection
from novelray.shards.order import Deck, Order, scattered

PARTS = 1 << 30
"""Weights are whole numbers of this part: what they give is then the same on every machine."""

Parts = tuple[int, ...]


@dataclass(frozen=True)
class CurriculumOrder(Order):
    """`bands`: row numbers of each band, from the easiest on. `parts`: weights of the bands in each epoch; after the
    last, those of the last."""

    bands: tuple[NDArray[np.int64], ...]
    parts: tuple[Parts, ...]
    global_batch: int
    seed: int

    @property
    def rows(self) -> int:  # type: ignore[override]
        return sum(map(len, self.bands))

    def _batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        parts = self.parts[min(epoch, len(self.parts) - 1)]
        first = step * self.global_batch
        before, after = dealt(first, parts), dealt(min(first + self.global_batch, self.rows), parts)
        taken = [
            band[Deck(len(band), f"band-{number}", self.seed).deal(start + a, b - a)]
            for number, (band, start, a, b) in enumerate(
                zip(self.bands, self._dealt_before(epoch), before, after, strict=True)
            )
        ]
        return scattered(taken, f"curriculum:{self.seed}:{epoch}:{step}")

    def _dealt_before(self, epoch: int) -> list[int]:
        """Rows of each band in all epochs before this one."""
        last = len(self.parts) - 1
        beyond = max(0, epoch - last)
        return [
            start + beyond * each
            for start, each in zip(self._starts[min(epoch, last)], dealt(self.rows, self.parts[last]), strict=True)
        ]

    @cached_property
    def _starts(self) -> list[list[int]]:
        """Rows of each band before each epoch that has weights of its own."""
        starts = [[0] * len(self.bands)]
        for parts in self.parts[:-1]:
            starts.append([a + b for a, b in zip(starts[-1], dealt(self.rows, parts), strict=True)])
        return starts


def curriculum(
    section: CurriculumSection, difficulty: NDArray[np.float64], global_batch: int, epochs: int, seed: int
) -> CurriculumOrder:
    """The order of a stage of so many epochs over rows of this difficulty, shape (rows,).

    Raises TrainError when there are fewer rows than bands.
    """
    points = min(epochs, section.points[-1].epoch)
    parts = tuple(tuple(round(weight * PARTS) for weight in section.weights(epoch)) for epoch in range(1, points + 1))
    return CurriculumOrder(bands_of(difficulty, section.bands), parts, global_batch, seed)


def bands_of(difficulty: NDArray[np.float64], bands: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers from the easiest to the hardest, cut into `bands` of equal size (to one row).

    Rows of the same difficulty are in the order of their numbers. Raises TrainError when a band would be empty.
    """
    if len(difficulty) < bands:
        raise TrainError(
            f"The stage has {len(difficulty)} rows, too few for a curriculum of {bands} bands.",
            "Lower train.curriculum.bands, or add books.",
        )
    ranked = np.argsort(difficulty, kind="stable")
    return tuple(np.sort(band) for band in np.array_split(ranked, bands))


def dealt(rows: int, parts: Sequence[int]) -> list[int]:
    """How many of the first `rows` rows of an epoch are from each band.

    The first band gets its share of all, rounded; the next its share of what is left, and so on. One row more never
    takes one away from a band, which rounding all shares at once (by largest remainder) does not promise.
    """
    counts, total = [], sum(parts)
    for part in parts[:-1]:
        mine = (2 * rows * part + total) // (2 * total) if total else 0
        counts.append(mine)
        rows, total = rows - mine, total - part
    return [*counts, rows]

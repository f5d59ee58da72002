"""Replay: a share of every batch is rows that the model knew before, so that it does not forget them.

Old rows come from a deck of their own, every one once before any comes again, over all epochs of the stage. New rows
come as they would without replay, only fewer in each batch, so that an epoch has more steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from novelray.shards.order import Deck, Order, scattered


@dataclass(frozen=True)
class ReplayOrder(Order):
    """The batches of `new`, each with `old_per_batch` old rows mixed in.

    The old rows are the `old` numbers from `first_old` on. The last batch of an epoch, which may have fewer new
    rows, has old ones in the same proportion, at least one.
    """

    new: Order
    old: int
    first_old: int
    old_per_batch: int
    seed: int

    def __post_init__(self) -> None:
        assert self.old > 0, self.old
        assert self.old_per_batch > 0, self.old_per_batch

    @property
    def global_batch(self) -> int:  # type: ignore[override]
        return self.new.global_batch + self.old_per_batch

    @property
    def rows(self) -> int:  # type: ignore[override]
        return self.new.rows + self._old_before(self.new.steps_per_epoch)

    @property
    def old_rows(self) -> int:
        return self.old

    def _batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        per_epoch = self._old_before(self.new.steps_per_epoch)
        first, last = self._old_before(step), self._old_before(step + 1)
        old = self.first_old + Deck(self.old, "old", self.seed).deal(epoch * per_epoch + first, last - first)
        new = self.new.batch(epoch, step)
        return scattered([new[new >= 0], old], f"replay:{self.seed}:{epoch}:{step}")

    def _old_before(self, step: int) -> int:
        """Old rows in the batches of an epoch before this one."""
        full = self.new.rows // self.new.global_batch
        if step <= full:
            return step * self.old_per_batch
        left = self.new.rows % self.new.global_batch
        return full * self.old_per_batch + max(1, round(self.old_per_batch * left / self.new.global_batch))

"""Who runs and who waits. Pure bookkeeping: no tensors, no threads.

Row i of the cache belongs to `rows[i]`, and rows are kept without holes, so that a batch is the first n rows: when one
ends, the last row takes its place.
"""

from __future__ import annotations

import math
import time
from collections import deque

from novelray.generate.generation import Generation
from novelray.generate.protocol import QueueFullError

MEMORY = 0.9
"""Weight of the past in the running mean of how long a request holds its row."""


class Batcher:
    """First come, first served, up to `max_batch` rows and `max_queue` waiting."""

    def __init__(self, max_batch: int, max_queue: int) -> None:
        self.max_batch, self.max_queue = max_batch, max_queue
        self.waiting: deque[Generation] = deque()
        self.rows: list[Generation] = []
        self._hold_s = 1.0
        self._since: dict[Generation, float] = {}

    def check_room(self, on_their_way: int) -> None:
        """Raise QueueFullError when one more could neither run nor wait. `on_their_way`: submitted, not in here yet."""
        waiting = len(self.waiting) + on_their_way
        if len(self.rows) + waiting >= self.max_batch + self.max_queue:
            raise QueueFullError(waiting, self.retry_after_s())

    def retry_after_s(self) -> int:
        """Seconds until a place is likely: of `max_batch` rows, one comes free every mean hold / `max_batch`."""
        return max(1, math.ceil(self._hold_s / self.max_batch))

    def submit(self, generation: Generation) -> None:
        self.waiting.append(generation)

    def admit(self) -> list[Generation]:
        """Give free rows to those who wait longest; returns who got one."""
        admitted = []
        while self.waiting and len(self.rows) < self.max_batch:
            generation = self.waiting.popleft()
            self.rows.append(generation)
            self._since[generation] = time.monotonic()
            admitted.append(generation)
        return admitted

    def remove(self, generation: Generation) -> tuple[int, int] | None:
        """Free its row. Returns (from, to) when the last row has to move there, else None."""
        row, last = self.rows.index(generation), len(self.rows) - 1
        self._hold_s += (1 - MEMORY) * (time.monotonic() - self._since.pop(generation) - self._hold_s)
        moved = self.rows.pop()
        if row == last:
            return None
        self.rows[row] = moved
        return last, row

    def prefilling(self) -> list[Generation]:
        """Rows whose prompt is not all in the cache, oldest first."""
        return sorted((g for g in self.rows if g.prefilling), key=self._since.__getitem__)

    def uses(self, adapter: str) -> bool:
        """Whether a request that runs or waits needs this adapter."""
        return any(adapter in g.style for g in (*self.rows, *self.waiting))

"""Which row comes when: a pure function of (seed, epoch, step), the same whatever the number of workers.

A keyed permutation of the rows is computed where it is asked for and never held: step one million costs what step one
does, and a resumed run needs two integers, epoch and step. The permutation is a Feistel network (Luby & Rackoff, 1988)
on the smallest power of two that holds all rows; what falls outside is sent through again until it is inside (cycle
walking, Black & Rogaway, 2002), which keeps it a permutation.

The loop asks one object, an `Order`, for the rows of a step. `RowOrder` gives every row once per epoch; curricula and
replay (novelray/train/) are orders too, made of the same `Deck`.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

EMPTY = -1
"""In a batch: no row here. The last batch of an epoch is filled up with it."""

ROUNDS = 6
MIN_BITS = 6  # over fewer bits some orders of a handful of rows come up more often than others (chi-square)


class Order(ABC):
    """Which rows make up which batch. Every one of them is a pure function of (epoch, step), at the same cost anywhere.

    `rows`: rows that an epoch trains on, a row that comes twice counted twice. `global_batch`: slots of a batch.
    """

    rows: int
    global_batch: int

    @property
    def old_rows(self) -> int:
        """How many rows, numbered after all others, are old ones that are replayed."""
        return 0

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch; the last one may be short."""
        return -(-self.rows // self.global_batch)

    def at(self, step: int) -> NDArray[np.int64]:
        """Row numbers of the batch of a step counted from the stage's start."""
        return self.batch(*divmod(step, self.steps_per_epoch))

    def batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        """Row numbers of one batch, shape (global_batch,); -1 where the last batch of an epoch has no row left.

        `epoch` counts from 0, `step` from 0 within the epoch. Raises IndexError past the epoch's end.
        """
        if not 0 <= step < self.steps_per_epoch:
            raise IndexError(f"step {step} of epoch {epoch}: an epoch has {self.steps_per_epoch} steps")
        rows = self._batch(epoch, step)
        batch = np.full(self.global_batch, EMPTY, dtype=np.int64)
        batch[: rows.size] = rows
        return batch

    @abstractmethod
    def _batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        """The rows of a batch that there is, without the empty slots."""


@dataclass(frozen=True)
class Deck:
    """The numbers below `size`, dealt without end: all of them once in a keyed order, then all again in another.

    `label` keeps the orders of several decks of one seed apart.
    """

    size: int
    label: str
    seed: int

    def deal(self, first: int, count: int) -> NDArray[np.int64]:
        """The `count` numbers from place `first` on, shape (count,); what was dealt before need not be known."""
        places = np.arange(first, first + count, dtype=np.int64)
        rounds, within = np.divmod(places, max(1, self.size))
        dealt = np.empty(count, np.int64)
        for number in np.unique(rounds):
            mine = rounds == number
            keys = _round_keys(f"{self.label}:{self.seed}:{number}")
            dealt[mine] = permuted(within[mine].astype(np.uint64), self.size, keys)
        return dealt


@dataclass(frozen=True)
class RowOrder(Order):
    """The order of `rows` rows in batches of `global_batch`, shuffled anew in each epoch. Every row once per epoch."""

    rows: int
    global_batch: int
    seed: int

    def __post_init__(self) -> None:
        assert self.rows >= 0, self.rows
        assert self.global_batch > 0, self.global_batch

    def _batch(self, epoch: int, step: int) -> NDArray[np.int64]:
        first = step * self.global_batch
        count = min(self.global_batch, self.rows - first)
        return Deck(self.rows, "rows", self.seed).deal(epoch * self.rows + first, count)


def scattered(kinds: Sequence[NDArray[np.int64]], label: str) -> NDArray[np.int64]:
    """Rows of several kinds mixed into one batch, in the order of keyed random numbers.

    Kinds that stood in blocks, or at even distances, would fall to one rank or one accumulation step.
    """
    rows = np.concatenate(kinds)
    places = np.arange(rows.size, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's step
    return rows[np.argsort(_mixed(places + _round_keys(label)[0]), kind="stable")]


def share(batch: NDArray[np.int64], rank: int, world: int, micro_batch: int) -> NDArray[np.int64]:
    """What one worker computes of a batch: shape (accumulation, micro_batch).

    The shares of all ranks together are the batch. Slots are dealt so that the empty ones, which are last, fall into
    the same accumulation steps on every rank.
    """
    assert batch.size % (world * micro_batch) == 0, (batch.size, world, micro_batch)
    return batch.reshape(-1, world, micro_batch)[:, rank]


def permuted(places: NDArray[np.uint64], size: int, keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where a keyed permutation of range(size) sends `places`; both arrays have the same shape."""
    bits = max(MIN_BITS, (size - 1).bit_length())
    values = _network(places, bits, keys)
    outside = np.flatnonzero(values >= size)
    while outside.size:
        values[outside] = _network(values[outside], bits, keys)
        outside = outside[values[outside] >= size]
    return values.astype(np.int64)


def _network(values: NDArray[np.uint64], bits: int, keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A Feistel network on numbers of `bits` bits; the halves differ by one bit where `bits` is odd."""
    low_bits = np.uint64(bits // 2)
    low_mask = np.uint64((1 << (bits // 2)) - 1)
    high_mask = np.uint64((1 << (bits - bits // 2)) - 1)
    high, low = values >> low_bits, values & low_mask
    for key in keys.reshape(-1, 2):
        high = high ^ (_mixed(low ^ key[0]) & high_mask)
        low = low ^ (_mixed(high ^ key[1]) & low_mask)
    return (high << low_bits) | low


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finaliser (Steele, Lea & Flood, 2014): every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _round_keys(label: str) -> NDArray[np.uint64]:
    """Two keys for each round, from a hash: the same on every machine and in every version of numpy."""
    digest = hashlib.shake_256(label.encode()).digest(ROUNDS * 2 * 8)
    return np.frombuffer(digest, dtype="<u8").astype(np.uint64)

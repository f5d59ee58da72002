"""Rows by random access from the Arrow shards on this node's disk, memory-mapped: opening costs no reading."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novelray.errors import DamagedError, ModelError
from novelray.shards.format import PAD_KEY, schema


@dataclass(frozen=True)
class Batch:
    """Rows ready for the model; arrays of shape (n, context)."""

    input_ids: NDArray[np.int64]
    position_ids: NDArray[np.int64]
    mask: NDArray[np.bool_]
    """True where the token is a trained target."""


@dataclass(frozen=True)
class _Block:
    """One record batch of a file: views into the mapped pages, shape (rows, context)."""

    input_ids: NDArray[np.int32]
    position_ids: NDArray[np.int32]
    mask: NDArray[np.uint8]
    chapters: pa.ListArray


@dataclass(frozen=True)
class Pieces:
    """The pieces of chapters in some rows, in order; all of the same length."""

    rows: NDArray[np.int64]
    chapters: list[str]
    tokens: NDArray[np.int64]
    """Tokens of the piece, its end token included."""


class Rows:
    """The rows of some shard files, numbered through in the order of `files`.

    Raises DamagedError when a file is no shard, or when the shards do not fit together.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(Path(f) for f in files)
        if not self.files:
            raise DamagedError("There are no shard files to read rows from.", "Make the shards again.")
        self.context, self.pad_id = 0, 0
        self._blocks: list[_Block] = []
        trained: list[NDArray[np.int32]] = []
        for file in self.files:
            for batch in self._opened(file):
                self._blocks.append(_block(batch))
                trained.append(batch.column("trained").to_numpy())
        self.trained: NDArray[np.int32] = np.concatenate([np.empty(0, np.int32), *trained])
        self._ends = np.cumsum([len(b.input_ids) for b in self._blocks], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.trained)

    def __reduce__(self) -> tuple[Any, ...]:
        return Rows, (self.files,)

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """The rows with these numbers, shape (n, context).

        -1 gives an empty row: padding, positions 0 to context - 1, nothing trained. Raises IndexError for others.
        """
        indices = np.asarray(indices, dtype=np.int64)
        if indices.size and (indices.min() < -1 or indices.max() >= len(self)):
            raise IndexError(f"row numbers {indices.min()} to {indices.max()} of {len(self)} rows")
        shape = (indices.size, self.context)
        input_ids = np.full(shape, self.pad_id, dtype=np.int64)
        position_ids = np.broadcast_to(np.arange(self.context, dtype=np.int64), shape).copy()
        mask = np.zeros(shape, dtype=bool)
        owner = np.searchsorted(self._ends, indices, side="right")
        for number in np.unique(owner[indices >= 0]):
            slots = np.flatnonzero((owner == number) & (indices >= 0))
            block = self._blocks[number]
            local = indices[slots] - self._start(number)
            input_ids[slots] = block.input_ids[local]
            position_ids[slots] = block.position_ids[local]
            mask[slots] = block.mask[local]
        return Batch(input_ids, position_ids, mask)

    def chapters(self, index: int) -> list[str]:
        """Ids of the chapters in one row, in order."""
        number = int(np.searchsorted(self._ends, index, side="right"))
        return [str(c) for c in self._blocks[number].chapters[index - self._start(number)].as_py()]

    def pieces(self) -> Iterator[Pieces]:
        """What the rows are made of, one record batch after another. A row's padding is no piece."""
        for number, block in enumerate(self._blocks):
            yield _pieces(block, self._start(number))

    def documents(self) -> tuple[pa.Array, NDArray[np.int64]]:
        """The chapter id of every document, row after row, and how many documents each row has.

        A document is a chapter or a piece of one; the padding of a row is none.
        """
        lists = [block.chapters for block in self._blocks]
        counts = [column.value_lengths().to_numpy() for column in lists]
        return pa.concat_arrays([column.flatten() for column in lists]), np.concatenate(counts).astype(np.int64)

    def check_vocabulary(self, vocab_size: int) -> None:
        """Raise ModelError when a token id is outside the vocabulary, naming the first such row. Reads every page."""
        for number, block in enumerate(self._blocks):
            if block.input_ids.size and (block.input_ids.min() < 0 or block.input_ids.max() >= vocab_size):
                bad = (block.input_ids < 0) | (block.input_ids >= vocab_size)
                row = int(np.flatnonzero(bad.any(axis=1))[0])
                raise ModelError(
                    f"Row {self._start(number) + row} has the token id {block.input_ids[row][bad[row]][0]}, and the "
                    f"model's vocabulary has {vocab_size} tokens.",
                    "The shards were made with another tokenizer than this model's. Make them again with this one.",
                )

    def _start(self, number: int) -> int:
        return int(self._ends[number - 1]) if number else 0

    def _opened(self, file: Path) -> list[pa.RecordBatch]:
        try:
            with pa.memory_map(str(file)) as source:  # the views keep the pages mapped when the file is closed
                reader = pa.ipc.open_file(source)
                batches = [reader.get_batch(i) for i in range(reader.num_record_batches)]
                self._check_schema(file, reader.schema)
        except (pa.ArrowInvalid, OSError) as error:
            raise _damaged(file, f"cannot be read as an Arrow file ({str(error).splitlines()[0]})") from None
        return batches

    def _check_schema(self, file: Path, found: pa.Schema) -> None:
        try:
            context = found.field("input_ids").type.list_size
            pad_id = int(found.metadata[PAD_KEY])
        except (KeyError, AttributeError, TypeError, ValueError):
            raise _damaged(file, "is not a shard of packed rows") from None
        if not found.equals(schema(context, pad_id)):
            raise _damaged(file, f"has the columns {', '.join(found.names)} with unexpected types")
        if self.context and (context, pad_id) != (self.context, self.pad_id):
            raise _damaged(file, f"has rows of {context} tokens and padding {pad_id}, the others {self.context} "
                                 f"and {self.pad_id}")  # fmt: skip
        self.context, self.pad_id = context, pad_id


def open_rows(folder: Path, split: str) -> Rows | None:
    """The rows of one split (`train` or `heldout`) of a shards artifact's local folder; None when it has none."""
    files = sorted((folder / split).glob("rows-*.arrow"))
    return Rows(files) if files else None


def _pieces(block: _Block, first_row: int) -> Pieces:
    """Positions restart where a piece begins, and once more where padding does, which is last."""
    counts = np.asarray(block.chapters.value_lengths().to_numpy(), np.int64)
    row, start = np.nonzero(block.position_ids == 0)
    end = np.append(start[1:], 0)
    end[np.append(row[1:] != row[:-1], True)] = block.position_ids.shape[1]
    number = np.arange(row.size) - np.searchsorted(row, row)  # in its row
    kept = number < counts[row]
    return Pieces(first_row + row[kept], block.chapters.flatten().to_pylist(), (end - start)[kept])


def _block(batch: pa.RecordBatch) -> _Block:
    def cells(name: str) -> Any:
        column = batch.column(name)
        return column.flatten().to_numpy(zero_copy_only=True).reshape(-1, column.type.list_size)

    return _Block(cells("input_ids"), cells("position_ids"), cells("mask"), batch.column("chapters"))


def _damaged(file: Path, how: str) -> DamagedError:
    return DamagedError(f"The shard {file} {how}.", "Delete the shards and run the same command again.")

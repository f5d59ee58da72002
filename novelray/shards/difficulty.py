"""How hard each row is, as a column file, and from the chapters in it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novelray.errors import DamagedError
from novelray.shards.rows import Rows

DIFFICULTY_FILE = "difficulty.arrow"
COLUMN = "difficulty"


def difficulty_bytes(values: NDArray[np.float64]) -> bytes:
    """The content of DIFFICULTY_FILE: one Arrow column, a number for each row of the train split, in their order."""
    batch = pa.record_batch([pa.array(values, pa.float64())], names=[COLUMN])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def read_difficulty(data: bytes) -> NDArray[np.float64]:
    """The numbers in a file that `difficulty_bytes` made, shape (rows,). Raises DamagedError."""
    try:
        column = pa.ipc.open_file(pa.BufferReader(data)).read_all().column(COLUMN)
    except (pa.ArrowInvalid, KeyError) as error:
        raise DamagedError(f"{DIFFICULTY_FILE} cannot be read: {error}", "Delete its artifact and run again.") from None
    return np.asarray(column.to_numpy(), np.float64)


def row_difficulty(rows: Rows, of_chapter: Mapping[str, float]) -> NDArray[np.float64]:
    """Each row's mean over its chapters, weighted by their tokens in the row, shape (rows,).

    Raises DamagedError when a row has a chapter that is not in `of_chapter`.
    """
    found = np.zeros(len(rows))
    weights = np.zeros(len(rows))
    for pieces in rows.pieces():
        try:
            values = np.array([of_chapter[chapter] for chapter in pieces.chapters], np.float64)
        except KeyError as error:
            raise DamagedError(f"The corpus has no chapter {error}, which stands in the shards.",
                               "Make the corpus and the shards again.") from None  # fmt: skip
        np.add.at(found, pieces.rows, values * pieces.tokens)
        np.add.at(weights, pieces.rows, pieces.tokens)
    return found / np.maximum(1, weights)

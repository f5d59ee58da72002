"""Chapters as token ids, laid end to end and cut into rows of `context` tokens.

Every token of every chapter is in exactly one row, in order. A chapter ends with the end-of-text token. A chapter that
does not fit goes on in the next row, where its positions restart: what stands in a row under restarting positions is a
document of its own for the model, which sees nothing before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Packed:
    """Rows of one shard; arrays of shape (rows, context).

    `mask` is 1 where a token is a trained target: one that is predicted from the token before it in the same document.
    It is 0 for the first token of each document piece and for padding.
    """

    input_ids: NDArray[np.int32]
    position_ids: NDArray[np.int32]
    mask: NDArray[np.uint8]
    chapters: list[list[str]]
    """Ids of the chapters in each row, in order."""
    tokens: int
    """Tokens without padding."""
    pad_id: int

    @property
    def rows(self) -> int:
        return len(self.input_ids)

    @property
    def context(self) -> int:
        return int(self.input_ids.shape[1])

    @property
    def trained(self) -> NDArray[np.int32]:
        """Trained targets in each row, shape (rows,)."""
        return np.asarray(self.mask.sum(axis=1), dtype=np.int32)


def pack(documents: Iterable[tuple[str, ArrayLike]], context: int, pad_id: int, eos_id: int) -> Packed:
    """Pack (chapter id, token ids without an end token) into rows of `context`; only the last row has padding."""
    names, flat, starts = _laid_end_to_end(documents, eos_id)
    rows = -(-flat.size // context)
    cells = np.full(rows * context, pad_id, dtype=np.int32)
    cells[: flat.size] = flat
    positions = _positions(starts, flat.size, cells.size, context)
    mask = positions > 0
    mask[flat.size :] = False
    shape = (rows, context)
    return Packed(
        input_ids=cells.reshape(shape),
        position_ids=positions.reshape(shape),
        mask=mask.astype(np.uint8).reshape(shape),
        chapters=_chapters_in_rows(names, starts, flat.size, context),
        tokens=int(flat.size),
        pad_id=pad_id,
    )


def _laid_end_to_end(
    documents: Iterable[tuple[str, ArrayLike]], eos_id: int
) -> tuple[list[str], NDArray[np.int32], NDArray[np.int64]]:
    """Names, all tokens with end tokens, and where each document starts in them."""
    names: list[str] = []
    pieces: list[NDArray[np.int32]] = [np.empty(0, np.int32)]
    end = np.array([eos_id], np.int32)
    for name, ids in documents:
        names.append(name)
        pieces += [np.asarray(ids, dtype=np.int32), end]
    lengths = np.array([a.size + b.size for a, b in zip(pieces[1::2], pieces[2::2], strict=True)], np.int64)
    return names, np.concatenate(pieces), np.cumsum(lengths) - lengths


def _positions(starts: NDArray[np.int64], tokens: int, cells: int, context: int) -> NDArray[np.int32]:
    """Distance of each cell from the start of its document piece; rows and the padding start one too."""
    index = np.arange(cells, dtype=np.int64)
    piece_start = np.zeros(cells, np.int64)
    piece_start[starts] = starts
    piece_start[::context] = index[::context]
    piece_start[tokens : tokens + 1] = tokens
    return (index - np.maximum.accumulate(piece_start)).astype(np.int32)


def _chapters_in_rows(names: list[str], starts: NDArray[np.int64], tokens: int, context: int) -> list[list[str]]:
    edges = np.arange(0, tokens, context)
    first = np.searchsorted(starts, edges, side="right") - 1
    after = np.searchsorted(starts, np.minimum(edges + context, tokens), side="left")
    return [names[a:b] for a, b in zip(first, after, strict=True)]

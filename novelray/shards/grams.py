"""Which runs of characters stand in the training chapters: hashes of every 20 in a row, so that copies can be told.

A text is folded first as for finding duplicates (traditional and simplified Hanzi, case, width and accents are one;
punctuation and white space are left out), and each 20 consecutive UTF-16 units of what is left give one 40-bit hash.
Nothing of the text can be read from them. All grams are kept, and not a sample of them, because only then is it known
to the character where a copy begins. A shard file's hashes, sorted and coded by their differences, take about two and
a half bytes for each character; the files of all shards are merged where they are used.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from novelray.corpus.dedup.fold import fold
from novelray.errors import DamagedError

GRAM = 20
"""Folded characters in a gram: some five English words, or a Chinese sentence of middle length."""

BASE, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1
MIX = 0xD6E8FEB86659FD93
FORMAT = f"{GRAM} 1".encode()
_FORMAT_KEY, _COLUMN = b"novelray.grams", "gram"


def grams_path(shard: str) -> str:
    """Where the grams of a shard file (`train/rows-00000.arrow`) lie in the artifact."""
    folder, _, name = shard.rpartition("/")
    return f"{folder}/{name.replace('rows-', 'grams-').replace('.arrow', '.parquet')}"


def is_grams(path: str) -> bool:
    """Whether this file of a shards artifact holds grams."""
    return path.startswith("train/grams-")


def gram_hashes(text: str) -> NDArray[np.int64]:
    """The 40-bit hash of each gram of a text, in its order."""
    codes = fold(text).astype(np.uint64)
    if len(codes) < GRAM:
        return np.zeros(0, np.int64)
    found, width = codes, 1
    parts: list[tuple[NDArray[np.uint64], int]] = []  # polynomials over the lengths that add up to GRAM
    while True:
        if GRAM & width:
            parts.append((found, width))
        if 2 * width > GRAM:
            break
        found = found[:-width] * _power(width) + found[width:]
        width *= 2
    count = len(codes) - GRAM + 1
    total, start = np.zeros(count, np.uint64), 0
    for values, length in reversed(parts):
        total = total * _power(length) + values[start : start + count]
        start += length
    total ^= total >> np.uint64(32)
    total *= np.uint64(MIX)
    total ^= total >> np.uint64(29)
    return (total >> np.uint64(24)).astype(np.int64)


def grams_bytes(texts: Sequence[str]) -> bytes:
    """The file's content for these chapters: their hashes, ascending, none twice."""
    found = np.unique(np.concatenate([np.zeros(0, np.int64), *map(gram_hashes, texts)]))
    table = pa.table({_COLUMN: pa.array(found)}).replace_schema_metadata({_FORMAT_KEY: FORMAT})
    sink = pa.BufferOutputStream()
    pq.write_table(
        table, sink, use_dictionary=False, column_encoding={_COLUMN: "DELTA_BINARY_PACKED"}, compression="NONE",
        write_statistics=False,
    )  # fmt: skip
    return bytes(sink.getvalue())


def read_grams(data: bytes) -> NDArray[np.int64]:
    """The inverse of `grams_bytes`. Raises DamagedError."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        column: NDArray[np.int64] = table.column(_COLUMN).to_numpy()
    except (pa.ArrowInvalid, KeyError) as error:
        raise DamagedError(f"A file of grams cannot be read: {error}", "Make the shards again.") from None
    if (table.schema.metadata or {}).get(_FORMAT_KEY) != FORMAT:
        raise DamagedError("A file of grams was made by another release.", "Make the shards again with this one.")
    return column


def _power(exponent: int) -> np.uint64:
    return np.uint64(pow(BASE, exponent, 1 << 64))

"""The file format of a shard: one Arrow IPC file, uncompressed so that it can be memory-mapped and read at random.

Columns: `input_ids`, `position_ids` (int32[context]), `mask` (uint8[context]), `trained` (int32, sum of the mask),
`chapters` (list of strings). The schema's metadata holds the padding id.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from novelray.shards.pack import Packed

PAD_KEY = b"novelray.pad_id"


def schema(context: int, pad_id: int) -> pa.Schema:
    """Schema of a shard with rows of `context` tokens."""
    return pa.schema(
        [
            pa.field("input_ids", pa.list_(pa.int32(), context), nullable=False),
            pa.field("position_ids", pa.list_(pa.int32(), context), nullable=False),
            pa.field("mask", pa.list_(pa.uint8(), context), nullable=False),
            pa.field("trained", pa.int32(), nullable=False),
            pa.field("chapters", pa.list_(pa.string()), nullable=False),
        ],
        metadata={PAD_KEY: str(pad_id).encode()},
    )


def shard_bytes(packed: Packed) -> bytes:
    """The file's content."""
    context = packed.context
    batch = pa.record_batch(
        [
            _cells(packed.input_ids, context),
            _cells(packed.position_ids, context),
            _cells(packed.mask, context),
            pa.array(packed.trained),
            pa.array(packed.chapters, pa.list_(pa.string())),
        ],
        schema=schema(context, packed.pad_id),
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def _cells(values: NDArray[Any], context: int) -> pa.Array:
    flat = np.ascontiguousarray(values).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), type=pa.list_(pa.from_numpy_dtype(flat.dtype), context))

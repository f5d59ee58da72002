"""What is known of the chapters in the rows: `chapters.parquet` in a shards artifact, one line per chapter.

Rows carry the ids of their chapters; here stands which book, author, genre and labels belong to an id.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from novelray.errors import DamagedError

CHAPTERS_FILE = "chapters.parquet"
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("chapter_id", "split", "book", "author", "genre")),
        *(pa.field(name, pa.string(), nullable=False) for name in ("language", "perspective", "origin")),
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # "layer=label"
    ]
)
"""As in the corpus (novelray/corpus/schema.py): "" is for what is not known."""


def chapters_bytes(table: pa.Table) -> bytes:
    """The file's content; the table has the columns of SCHEMA."""
    sink = pa.BufferOutputStream()
    pq.write_table(table.cast(SCHEMA), sink)
    return bytes(sink.getvalue())


def read_chapters(data: bytes) -> pa.Table:
    """The inverse of `chapters_bytes`. Raises DamagedError."""
    try:
        return pq.read_table(pa.BufferReader(data), schema=SCHEMA)
    except (pa.ArrowInvalid, KeyError) as error:
        raise DamagedError(f"{CHAPTERS_FILE} is no table of chapters: {error}", "Make the shards again.") from None


def open_chapters(folder: Path) -> pa.Table:
    """The table of a shards artifact's local folder; empty where there is none."""
    path = folder / CHAPTERS_FILE
    return read_chapters(path.read_bytes()) if path.is_file() else SCHEMA.empty_table()

"""The columns of `chapters/*.parquet`, and the reader that every later stage uses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from novelray.storage import Artifact

Split = Literal["train", "heldout"]

CHAPTERS = pa.schema(
    [
        pa.field("chapter_id", pa.string(), nullable=False),  # "<12 hex of the book's SHA-256>:<index, 5 digits>"
        pa.field("book", pa.string(), nullable=False),  # name of the book: its file's stem, made unique
        pa.field("title", pa.string(), nullable=False),  # the chapter's heading; the book's title where it has none
        pa.field("index", pa.int32(), nullable=False),  # place in the book, from 0
        pa.field("text", pa.large_string(), nullable=False),  # heading and body
        pa.field("chars", pa.int32(), nullable=False),  # characters in `text`
        pa.field("language", pa.string(), nullable=False),  # "zh", "en", ...
        pa.field("split", pa.string(), nullable=False),  # "train" or "heldout"
        pa.field("digest", pa.string(), nullable=False),  # xxh3-128 of the text without whitespace
    ]
)

BATCH_ROWS = 64


def chapter_files(artifact: Artifact) -> list[str]:
    """Names of the chapter files inside a corpus artifact; in this order, the rows are ordered by (book, index)."""
    return sorted(n for n in artifact.manifest.files if n.startswith("chapters/") and n.endswith(".parquet"))


def chapters(
    artifact: Artifact,
    split: Split | None = None,
    books: Sequence[str] = ("*",),
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The chapters of a corpus, ordered by (book, index), in batches; memory stays bounded.

    `split` and `books` (globs over book names) choose rows, `columns` the columns. Raises DamagedError.
    """
    folder = artifact.local()
    names = list(columns) if columns is not None else CHAPTERS.names
    read = [*names, *(c for c in ("book", "split") if c not in names)]
    for name in chapter_files(artifact):
        with pq.ParquetFile(folder / name) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=read):
                kept = _chosen(batch, split, books)
                if kept.num_rows:
                    yield kept.select(names)


def _chosen(batch: pa.RecordBatch, split: Split | None, books: Sequence[str]) -> pa.RecordBatch:
    rows = zip(batch.column("book").to_pylist(), batch.column("split").to_pylist(), strict=True)
    mask = [(split in (None, s)) and any(fnmatchcase(b, glob) for glob in books) for b, s in rows]
    return batch if all(mask) else batch.filter(pa.array(mask, pa.bool_()))

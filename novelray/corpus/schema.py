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
        pa.field("author", pa.string(), nullable=False),  # "" where it is not known; a pseudonym where masked
        pa.field("genre", pa.string(), nullable=False),  # "" where it is not known
        pa.field("volume", pa.string(), nullable=False),  # heading of the volume, or ""
        pa.field("title", pa.string(), nullable=False),  # the chapter's heading; the book's title where it has none
        pa.field("index", pa.int32(), nullable=False),  # place in the book, from 0
        pa.field("text", pa.large_string(), nullable=False),  # heading and body
        pa.field("chars", pa.int32(), nullable=False),  # characters in `text`
        pa.field("language", pa.string(), nullable=False),  # "zh", "en", ...
        pa.field("split", pa.string(), nullable=False),  # "train" or "heldout"
        pa.field("digest", pa.string(), nullable=False),  # xxh3-128 of the text without whitespace
        pa.field("scenes", pa.list_(pa.int32()), nullable=False),  # where each scene starts in `text`; the first is 0
        pa.field("arc", pa.float32()),  # completeness of the story arc, 0 to 1; null: not measured
        pa.field("style_distance", pa.float32()),  # TF-IDF distance to the book's style, 0 to 1; null: not measured
        pa.field("perspective", pa.string(), nullable=False),  # narrative perspective; "": not measured
        pa.field("labels", pa.list_(pa.string()), nullable=False),  # "layer=label", agreed upon by annotators
        pa.field("origin", pa.string(), nullable=False),  # "" for the book's own text, else how it was made
        pa.field("source", pa.string(), nullable=False),  # for made text, the chapter_id it was made from, or ""
    ]
)
"""Columns of a corpus. Chapters that augmentation made stand in files of their own, always in the train split."""

BATCH_ROWS = 64
FOLDERS = ("chapters/", "augmented/")


def chapter_files(artifact: Artifact) -> list[str]:
    """Names of a corpus artifact's chapter files: the books' own in the order of the shelf, then the augmented ones."""
    names = sorted(n for n in artifact.manifest.files if n.endswith(".parquet"))
    return [n for folder in FOLDERS for n in names if n.startswith(folder)]


def chapters(
    artifact: Artifact,
    split: Split | None = None,
    books: Sequence[str] = ("*",),
    columns: Sequence[str] | None = None,
) -> Iterator[pa.RecordBatch]:
    """The chapters of a corpus, book by book and in the book's order, in batches; memory stays bounded.

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

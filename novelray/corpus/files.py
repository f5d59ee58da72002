"""Parquet in and out: one temporary part per book while the corpus is decided upon, then the chapter files.

The same chapters always give the same files with the same bytes, so a task that runs twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from novelray.corpus.book import Chapter
from novelray.corpus.schema import CHAPTERS
from novelray.storage import Store

FILE_CHARS = 4_000_000  # characters per chapter file; what a task holds in memory is a few times this, or one book
GROUP_CHARS = 2_000_000  # characters per row group; what a reader holds


@dataclass(frozen=True)
class FilePlan:
    """A chapter file and the parts (one per book, in order) that it is made of."""

    path: str
    parts: tuple[str, ...]


def plan_files(folder: str, parts: Sequence[tuple[str, int]]) -> list[FilePlan]:
    """Divide parts, given in order with their characters, among files of about FILE_CHARS."""
    groups: list[list[str]] = []
    size = FILE_CHARS
    for path, chars in parts:
        if size + chars > FILE_CHARS:
            groups.append([])
            size = 0
        groups[-1].append(path)
        size += chars
    return [FilePlan(f"{folder}/{i:05d}.parquet", tuple(group)) for i, group in enumerate(groups)]


def write_part(store: Store, path: str, chapters: Sequence[Chapter]) -> None:
    """A book's chapters, not yet assigned to a split."""
    store.write(path, _parquet(_groups(_table(chapters))))


def write_file(store: Store, plan: FilePlan, splits: Mapping[str, str]) -> int:
    """Join the parts of a chapter file, keeping the chapters that have a split. Returns how many there are."""
    tables = [_assigned(pq.read_table(pa.BufferReader(store.read(part))), splits) for part in plan.parts]
    store.write(plan.path, _parquet(group for table in tables for group in _groups(table)))
    return sum(table.num_rows for table in tables)


def _table(chapters: Sequence[Chapter]) -> pa.Table:
    columns = {
        "chapter_id": [c.chapter_id for c in chapters],
        "book": [c.book for c in chapters],
        "title": [c.title for c in chapters],
        "index": [c.index for c in chapters],
        "text": [c.text for c in chapters],
        "chars": [len(c.text) for c in chapters],
        "language": [c.language for c in chapters],
        "split": [""] * len(chapters),
        "digest": [c.digest for c in chapters],
    }
    return pa.table(columns, schema=CHAPTERS)


def _assigned(table: pa.Table, splits: Mapping[str, str]) -> pa.Table:
    split = [splits.get(i, "") for i in table.column("chapter_id").to_pylist()]
    place = CHAPTERS.get_field_index("split")
    table = table.set_column(place, CHAPTERS.field("split"), pa.array(split, pa.string()))
    return table.filter(pa.array([bool(s) for s in split], pa.bool_()))


def _groups(table: pa.Table) -> Iterable[pa.Table]:
    """Slices of about GROUP_CHARS characters."""
    start, size = 0, 0
    for row, chars in enumerate(table.column("chars").to_pylist()):
        if row > start and size + chars > GROUP_CHARS:
            yield table.slice(start, row - start)
            start, size = row, 0
        size += chars
    if start < table.num_rows:
        yield table.slice(start)


def _parquet(groups: Iterable[pa.Table]) -> bytes:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, CHAPTERS, compression="zstd", store_schema=True) as writer:
        for group in groups:
            writer.write_table(group)
    return bytes(sink.getvalue())

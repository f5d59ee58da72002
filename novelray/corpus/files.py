"""One part per file on the shelf while the corpus is decided upon, then the chapter files.

Parts are Arrow files, which are written and read faster than Parquet; chapter files are Parquet, which is smaller.
The same chapters always give the same files with the same bytes, so a task that runs twice does no harm. Both are
written and read one group at a time: a file of any number of books costs the memory of a few chapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from novelray.corpus.book import Chapter
from novelray.corpus.schema import CHAPTERS
from novelray.storage import Store

FILE_CHARS = 4_000_000  # characters per chapter file
GROUP_CHARS = 1_000_000  # characters per group; what a writer or reader holds is a few times this, or one chapter
SPLITS = {"t": "train", "h": "heldout"}
LEFT_OUT = "-"
_KEPT: dict[str, Any] = {
    "compression": "zstd",
    "compression_level": 1,
    "use_dictionary": ["book", "author", "genre", "volume", "language", "split", "perspective", "origin"],
    "write_statistics": False,
    "store_schema": True,
}
# Plain: a part is read once more and then seldom, and packing it takes longer than that.
_PASSING = pa.ipc.IpcWriteOptions(use_threads=False)


@dataclass(frozen=True)
class Group:
    """One group of a part: its chapters and their characters."""

    rows: int
    chars: int


class PartWriter:
    """Writes chapters that are not yet assigned to a split. `groups` says afterwards what was written."""

    def __init__(self, path: Path) -> None:
        self.groups: list[Group] = []
        self._writer = pa.ipc.new_file(path, CHAPTERS, options=_PASSING)
        self._waiting: list[Chapter] = []
        self._chars = 0

    def add(self, chapters: Sequence[Chapter]) -> None:
        """Append the chapters of a book, in order."""
        for chapter in chapters:
            if self._waiting and self._chars + len(chapter.text) > GROUP_CHARS:
                self._flush()
            self._waiting.append(chapter)
            self._chars += len(chapter.text)

    def __enter__(self) -> PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if kind is None and self._waiting:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        self._writer.write_batch(chapter_batch(self._waiting))
        self.groups.append(Group(len(self._waiting), self._chars))
        self._waiting, self._chars = [], 0


def chapter_batch(chapters: Sequence[Chapter]) -> pa.RecordBatch:
    """Chapters as rows of the corpus; their split is still empty."""
    columns: dict[str, list[Any]] = {
        **{
            name: [getattr(c, name) for c in chapters]
            for name in CHAPTERS.names
            if name in Chapter.__dataclass_fields__
        },
        "chars": [len(c.text) for c in chapters],
        "split": [""] * len(chapters),
        "labels": [[]] * len(chapters),
        "origin": [""] * len(chapters),
        "source": [""] * len(chapters),
    }
    return pa.record_batch(columns, schema=CHAPTERS)


@dataclass(frozen=True)
class Chosen:
    """A group of a part, and for each of its chapters a letter: `t` train, `h` held out, `-` left out."""

    part: str
    number: int
    splits: str
    chars: int


@dataclass(frozen=True)
class FilePlan:
    """A chapter file and the groups of parts that it is made of."""

    path: str
    groups: tuple[Chosen, ...]


def plan_files(folder: str, groups: Iterable[Chosen]) -> list[FilePlan]:
    """Divide groups, given in order, among files of about FILE_CHARS; one with nothing to keep is passed over."""
    files: list[list[Chosen]] = []
    size = FILE_CHARS
    for group in groups:
        if not group.splits.strip(LEFT_OUT):
            continue
        if size + group.chars > FILE_CHARS:
            files.append([])
            size = 0
        files[-1].append(group)
        size += group.chars
    return [FilePlan(f"{folder}/{i:05d}.parquet", tuple(file)) for i, file in enumerate(files)]


def write_file(store: Store, plan: FilePlan, labels: Mapping[str, Sequence[str]]) -> int:
    """Join a chapter file's groups, keeping the chapters that have a split. Returns how many there are.

    `labels`: chapter id → its labels, where it has any.
    """
    sink = pa.BufferOutputStream()
    rows = 0
    with pq.ParquetWriter(sink, CHAPTERS, **_KEPT) as writer:
        for group in plan.groups:
            with store.open(group.part) as stream, pa.ipc.open_file(stream) as file:
                table = pa.Table.from_batches([file.get_batch(group.number)])
            assert table.num_rows == len(group.splits), "a part is not what its outcome says"
            table = _with_splits(table, group.splits, labels)
            rows += table.num_rows
            writer.write_table(table, row_group_size=table.num_rows)
    store.write(plan.path, bytes(sink.getvalue()))
    return rows


def _with_splits(table: pa.Table, splits: str, labels: Mapping[str, Sequence[str]]) -> pa.Table:
    table = _replaced(table, "split", [SPLITS.get(code, "") for code in splits])
    if labels:
        ids = table.column("chapter_id").to_pylist()
        table = _replaced(table, "labels", [list(labels.get(i, ())) for i in ids])
    if LEFT_OUT not in splits:
        return table
    return table.filter(pa.array([code != LEFT_OUT for code in splits], pa.bool_()))


def _replaced(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    field = CHAPTERS.field(name)
    return table.set_column(CHAPTERS.get_field_index(name), field, pa.array(values, field.type))

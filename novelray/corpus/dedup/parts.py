"""Finding pairs among sketches that do not fit into memory: the work of single tasks, each of about the same size.

First the sketch files of many books become a few groups, whose hashes stand in Parquet row groups by residue class
(hash modulo the number of classes). A join task reads one class of all groups and counts shared keys; a count task
takes a range of the pairs, adds those counts up, and counts the candidates in full, class after class. What comes out
is the same as `find_pairs` gives, whatever the number of groups, classes and ranges.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from novelray.corpus.dedup.compare import count_shared, judged
from novelray.corpus.dedup.find import KEY_COLUMNS
from novelray.corpus.dedup.fold import U8
from novelray.corpus.dedup.groups import I64
from novelray.corpus.dedup.pairs import LEAST_SHARED, Lists, counted, key_bounds, shared_keys, unpacked
from novelray.corpus.dedup.sketches import U64
from novelray.storage import Store

BOUNDS = ["gram", "bound", "keys_below"]
_READERS = 8  # files read at once


@dataclass(frozen=True)
class Parts:
    """Where the work lies: `groups` are names of groups below `folder`, in order; rows are numbered through them."""

    store: Store
    folder: str
    groups: tuple[str, ...]
    classes: int

    def rows(self, columns: Sequence[str]) -> pa.Table:
        """Columns of all rows."""
        return read_tables(self.store, [f"{self.folder}/{name}.rows" for name in self.groups], columns)

    def bounds(self) -> tuple[U64, U64, U8]:
        """Bound of each row's sketch, of its keys, and the length of its grams."""
        table = read_tables(self.store, [f"{self.folder}/bounds"], BOUNDS)
        gram, bound, keys_below = (table.column(name).to_numpy() for name in BOUNDS)
        return bound, keys_below, gram

    def lists(self, number: int) -> Lists:
        """The hashes of one residue class of all rows."""
        with ThreadPoolExecutor(_READERS) as pool:
            found = list(pool.map(lambda name: self._class_of(name, number), self.groups))
        sizes = np.concatenate([np.diff(lists.offsets) for lists in found])
        return Lists(np.concatenate([lists.values for lists in found]), np.r_[0, np.cumsum(sizes)])

    def _class_of(self, name: str, number: int) -> Lists:
        with self.store.open(f"{self.folder}/{name}.hashes") as stream, pq.ParquetFile(stream) as file:
            return Lists.of(file.read_row_group(number).column("sample"))


def read_tables(store: Store, paths: Sequence[str], columns: Sequence[str]) -> pa.Table:
    """Columns of Parquet files, one after another."""

    def read(path: str) -> pa.Table:
        return pq.read_table(pa.BufferReader(store.read(path)), columns=list(columns))

    with ThreadPoolExecutor(_READERS) as pool:
        return pa.concat_tables(pool.map(read, paths))


def compact(store: Store, files: Sequence[str], folder: str, name: str, classes: int) -> int:
    """Join sketch files into one group; the number of its rows."""
    table = read_tables(store, files, [*KEY_COLUMNS, "gram", "bound", "sample"])
    lists = Lists.of(table.column("sample"))
    rows = table.drop_columns("sample").append_column("keys_below", pa.array(key_bounds(lists)))
    _write(store, f"{folder}/{name}.rows", [rows])
    owner, residue = lists.rows(), lists.values % np.uint64(classes)
    parts = (residue == np.uint64(number) for number in range(classes))
    _write(store, f"{folder}/{name}.hashes", [_lists(lists.values[part], owner[part], len(rows)) for part in parts])
    return len(rows)


def write_bounds(parts: Parts) -> pa.Table:
    """Give every task the bounds of all rows; the rows' keys come back."""
    table = parts.rows([*KEY_COLUMNS, *BOUNDS])
    _write(parts.store, f"{parts.folder}/bounds", [table.select(BOUNDS)])
    return table.select(KEY_COLUMNS)


def join(parts: Parts, number: int) -> int:
    """Count the keys of one class that rows share; the number of pairs found."""
    _, keys_below, _ = parts.bounds()
    pairs, counts = shared_keys(parts.lists(number), keys_below)
    _write(parts.store, _shared_path(parts, number), [pa.table({"pair": pairs, "count": counts})])
    return len(pairs)


def count(parts: Parts, low: int, high: int) -> int:
    """Judge the candidates whose first row is from `low` to below `high`; the number of PAIRS written."""
    found = [_shared(parts, number, low, high) for number in range(parts.classes)]
    pairs, shared = counted(np.concatenate([p for p, _ in found]), np.concatenate([c for _, c in found]))
    pairs = pairs[shared >= LEAST_SHARED]
    bound, _, gram = parts.bounds()
    total = count_shared(pairs, parts.lists(0), bound)
    for number in range(1, parts.classes):
        total += count_shared(pairs, parts.lists(number), bound)
    table = judged(pairs, total, bound, gram)
    _write(parts.store, pairs_path(parts, low), [table])
    return len(table)


def _shared(parts: Parts, number: int, low: int, high: int) -> tuple[U64, I64]:
    with parts.store.open(_shared_path(parts, number)) as stream:
        ends = [pa.scalar(row << 32, pa.uint64()) for row in (low, high)]
        table = pq.read_table(stream, filters=(pc.field("pair") >= ends[0]) & (pc.field("pair") < ends[1]))
    return table.column("pair").to_numpy(), table.column("count").to_numpy()


def ranges(parts: Parts, tasks: int) -> list[int]:
    """Rows at which the pairs divide into at most `tasks` ranges of about the same number of pairs; from 0."""
    rows, _ = unpacked(read_tables(parts.store, [_shared_path(parts, 0)], ["pair"]).column("pair").to_numpy())
    return [0, *sorted({int(rows[len(rows) * i // tasks]) for i in range(1, tasks)} - {0})] if len(rows) else [0]


def pairs_path(parts: Parts, low: int) -> str:
    """The PAIRS of the range that begins at row `low`."""
    return f"{parts.folder}/pairs-{low:010d}"


def _shared_path(parts: Parts, number: int) -> str:
    return f"{parts.folder}/shared-{number:05d}"


def _lists(values: U64, owner: I64, rows: int) -> pa.Table:
    offsets = np.r_[0, np.cumsum(np.bincount(owner, minlength=rows))].astype(np.int64)
    return pa.table({"sample": pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(values))})


def _write(store: Store, path: str, tables: Sequence[pa.Table]) -> None:
    """A Parquet file with a row group for each table."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, tables[0].schema, compression="none", use_dictionary=False) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(1, len(table)))
    store.write(path, bytes(sink.getvalue()))

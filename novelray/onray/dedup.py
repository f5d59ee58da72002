"""Deduplication at any scale: a small corpus in this process, a large one as Ray tasks over groups of sketches.

Only hashes and row numbers are moved about, and they lie in storage between the steps; the driver holds the keys, some
tens of bytes per chapter, and the pairs that are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import pyarrow as pa

from novelray.corpus.dedup.compare import PAIRS
from novelray.corpus.dedup.find import KEY_COLUMNS, find_pairs, in_order
from novelray.corpus.dedup.parts import Parts, compact, count, join, pairs_path, ranges, read_tables, write_bounds
from novelray.corpus.dedup.sketches import SKETCH
from novelray.onray.data import Row, map_rows
from novelray.recipe.dedup import DedupSection
from novelray.storage import Store
from novelray.telemetry.bar import counting_bar

IN_PROCESS = 32 << 20  # bytes of sketches that are not worth a task
TASK_BYTES = 32 << 20  # of hashes in a task, which holds about six times as much in memory
TASK_FILES = 2000  # sketch files in a group
TASK_PAIRS = 1 << 20  # pairs with a shared key in a task


def near_pairs(
    store: Store, sketch_files: Sequence[str], section: DedupSection, workdir: str
) -> tuple[pa.Table, pa.Table]:
    """Keys of all chapters, sorted by (book, index), and the PAIRS of their row numbers that resemble each other.

    `sketch_files`: Parquet files of SKETCH rows in `store`. `workdir`: a folder there for what lies between the steps;
    the caller deletes it. Without `section.near` there are no pairs.
    """
    if not sketch_files:
        return in_order(SKETCH.empty_table().select(KEY_COLUMNS), PAIRS.empty_table())
    sizes = _sizes(store, sketch_files)
    if sum(sizes) <= IN_PROCESS:
        return find_pairs(read_tables(store, sketch_files, SKETCH.names), section)
    if not section.near:
        return in_order(read_tables(store, sketch_files, KEY_COLUMNS), PAIRS.empty_table())
    return _in_tasks(store, sketch_files, sizes, workdir)


def _in_tasks(store: Store, files: Sequence[str], sizes: Sequence[int], workdir: str) -> tuple[pa.Table, pa.Table]:
    parts = _compact(store, files, sizes, workdir)
    keys = write_bounds(parts)
    numbers: list[Row] = [{"number": number} for number in range(parts.classes)]
    joined = _map(numbers, _join_one, {"parts": parts}, "Looking for near-duplicates", "groups compared")
    low = ranges(parts, max(1, -(-sum(done["pairs"] for done in joined) // TASK_PAIRS)))
    spans: list[Row] = [{"low": start, "high": end} for start, end in pairwise([*low, len(keys)])]
    _map(spans, _count_one, {"parts": parts}, "Comparing near-duplicates", "candidates compared")
    return in_order(keys, read_tables(store, [pairs_path(parts, start) for start in low], PAIRS.names))


def _compact(store: Store, files: Sequence[str], sizes: Sequence[int], workdir: str) -> Parts:
    """Join the sketch files, in their order, into groups of about TASK_BYTES."""
    groups: list[list[str]] = []
    filled = TASK_BYTES
    for path, size in zip(files, sizes, strict=True):
        if filled + size > TASK_BYTES or len(groups[-1]) == TASK_FILES:
            groups.append([])
            filled = 0
        groups[-1].append(path)
        filled += size
    classes = -(-sum(sizes) // TASK_BYTES)
    rows: list[Row] = [{"name": f"group-{number:05d}", "files": group} for number, group in enumerate(groups)]
    options = {"store": store, "folder": workdir, "classes": classes}
    done = _map(rows, _compact_one, options, "Gathering the sketches", "sketches gathered")
    names = (row["name"] for row, result in zip(rows, done, strict=True) if result["rows"])
    return Parts(store, workdir, tuple(names), classes)


def _map(rows: list[Row], task: Callable[..., Row], options: dict[str, object], doing: str, unit: str) -> list[Row]:
    with counting_bar("corpus", len(rows), unit) as advance:
        return map_rows(rows, task, options, doing, done=lambda number: advance(1))


def _compact_one(row: Row, store: Store, folder: str, classes: int) -> Row:
    return {"rows": compact(store, row["files"], folder, row["name"], classes)}


def _join_one(row: Row, parts: Parts) -> Row:
    return {"pairs": join(parts, row["number"])}


def _count_one(row: Row, parts: Parts) -> Row:
    return {"pairs": count(parts, row["low"], row["high"])}


def _sizes(store: Store, files: Sequence[str]) -> list[int]:
    """Bytes of each file."""
    folders = {path.rpartition("/")[0] for path in files}
    found = {entry.path: entry.size for folder in sorted(folders) for entry in store.files(folder)}
    return [found.get(path, 0) for path in files]

"""The tasks of augmentation: what runs beside the text. Each reads a chapter file or parts, and gives back figures."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from novelray.corpus.augment import PIECES, Tools, make_unit
from novelray.corpus.augment.heldout import is_near, traces
from novelray.corpus.augment.ngrams import sketch
from novelray.corpus.augment.piece import INHERITED
from novelray.corpus.schema import CHAPTERS
from novelray.onray.augment_models import Resources, load_tools, tools_without_models
from novelray.onray.data import Row
from novelray.recipe.augment import AugmentSection
from novelray.storage import Artifacts, Store

SHOWN = 2  # excerpts that a task hands to the report
GROUP_ROWS = 64
LISTED = ("chapter_id", "split", "language", "chars", "digest", "origin")
FIGURES = ("chapter_id", "origin", "reason", "chars", "digest", "similarity", "copied", "sketch", "book", "title")


def list_file(row: Row, store: Store, folder: str) -> Row:
    """The chapters of a file without their text: id, split, size, language, and a stamp of all that pieces have of it.

    `trace`: a file in `folder` with what tells texts like its held-out chapters; "" where it has none.
    """
    table = _read(store, row["file"])
    chapters: list[Row] = [{"origin": "", **chapter} for chapter in table.to_pylist()]
    heldout = traces((c["text"], c["language"]) for c in chapters if c["split"] == "heldout")
    path = ""
    if len(heldout):
        data = _parquet(pa.table({"hash": heldout}))
        path = f"{folder}/heldout-{xxhash.xxh3_128_hexdigest(data)}.parquet"
        store.write(path, data)
    return {"chapters": [{**{n: c[n] for n in LISTED}, "stamp": _stamp(c)} for c in chapters], "trace": path}


def _stamp(chapter: Row) -> str:
    values = {name: chapter.get(name) for name in ("split", "scenes", "text", *INHERITED)}
    return xxhash.xxh3_128_hexdigest(json.dumps(values, sort_keys=True).encode())


def find_near(row: Row, store: Store, traces: Sequence[str]) -> Row:
    """Ids of a file's training chapters that resemble the held-out ones. `traces`: the files that tell of these."""
    heldout = np.unique(np.concatenate([_read(store, path).column("hash").to_numpy() for path in traces]))
    table = _read(store, row["file"])
    chapters = table.filter(pc.equal(table.column("split"), "train")).select(["chapter_id", "text", "language"])
    return {"near": [c["chapter_id"] for c in chapters.to_pylist() if is_near(c["text"], c["language"], heldout)]}


def make_part(
    row: Row, store: Store, section: AugmentSection, seed: int, longest: int, resources: Resources,
    tools: Tools | None = None,
) -> Row:  # fmt: skip
    """Make the pieces of a unit and write them as a part, unless it is there; the pieces' figures."""
    if store.exists(row["part"]):
        made = _read(store, row["part"])
    else:
        jobs = [(method, chapter) for method, chapter in row["jobs"]]
        tools = tools or tools_without_models(resources, store.endpoint)
        made = make_unit(_read(store, row["file"]), jobs, section, seed, longest, tools)
        store.write(row["part"], _parquet(made))
    pieces = made.select(FIGURES).to_pylist()
    shown = [i for i, piece in enumerate(pieces) if not piece["reason"]][:SHOWN]
    for i, piece in enumerate(pieces):
        piece |= {name: made.column(name)[i].as_py() if i in shown else "" for name in ("before", "after")}
    return {"pieces": pieces}


def part_maker(artifacts: Artifacts, memory: str, **options: Any) -> Callable[[Row], Row]:
    """`make_part` with models, whose answers are kept in the folder `memory`; see `load_tools`."""
    loaded: list[Tools] = []

    def make(row: Row) -> Row:
        if not loaded and not options["store"].exists(row["part"]):
            loaded.append(load_tools(options["resources"], options["section"], artifacts, memory))
        return make_part(row, **options, tools=loaded[0] if loaded else None)

    return make


def find_in_file(row: Row, store: Store, parts: Sequence[str]) -> Row:
    """Which n-grams of the stories in `parts` stand in a chapter file, in either split."""
    wanted = np.unique(np.concatenate([_sketches(store, part) for part in parts]))
    table = _read(store, row["file"])
    texts = zip(table.column("text").to_pylist(), table.column("language").to_pylist(), strict=True)
    found = [np.intersect1d(sketch(text, language), wanted, assume_unique=True) for text, language in texts]
    return {"found": np.unique(np.concatenate(found)).tolist() if found else []}


def join_parts(row: Row, store: Store, models: Mapping[str, str]) -> Row:
    """Write one augmented file and, beside it, how each of its pieces was made.

    `row["pieces"]`: (part, piece's id, share copied) in the order of the file.
    """
    tables = [_read(store, part) for part in dict.fromkeys(part for part, _, _ in row["pieces"])]
    table = pa.concat_tables(tables).filter(pc.equal(pa.concat_tables(tables).column("reason"), ""))
    places = {chapter: place for place, chapter in enumerate(table.column("chapter_id").to_pylist())}
    table = table.take(pa.array([places[chapter] for _, chapter, _ in row["pieces"]], pa.int64()))
    store.write(row["path"], _parquet(table.select(CHAPTERS.names).cast(CHAPTERS)))
    lines = [
        json.dumps({**made, "copied": copied, "model": _model(made, language, models)}, ensure_ascii=False)
        for made, language, (_, _, copied) in zip(
            table.select(["chapter_id", "origin", "source", "seed", "chars", "similarity", "untranslated", "prompt"])
            .to_pylist(), table.column("language").to_pylist(), row["pieces"], strict=True,
        )
    ]  # fmt: skip
    store.write(row["path"].removesuffix(".parquet") + ".jsonl", "".join(f"{line}\n" for line in lines).encode())
    return {"rows": table.num_rows}


def _model(made: Row, language: str, models: Mapping[str, str]) -> str:
    return models.get(made["origin"], models.get(f"{made['origin']}.{language}", ""))


def _sketches(store: Store, part: str) -> np.ndarray:
    column = _read(store, part).column("sketch").combine_chunks()
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False), np.uint64)


def _read(store: Store, path: str) -> pa.Table:
    return pq.read_table(pa.BufferReader(store.read(path)))


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=GROUP_ROWS)
    return bytes(sink.getvalue())


assert PIECES.names[: len(CHAPTERS.names)] == CHAPTERS.names

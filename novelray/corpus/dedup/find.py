"""From sketches to keys (what the driver knows of each chapter) and to pairs of chapters that resemble each other."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from novelray.corpus.dedup.compare import PAIRS, count_shared, judged
from novelray.corpus.dedup.pairs import LEAST_SHARED, Lists, key_bounds, shared_keys
from novelray.corpus.dedup.sketches import SKETCH
from novelray.recipe.dedup import DedupSection

KEY_COLUMNS = ["chapter_id", "book", "index", "digest", "chars", "script"]
IN_ORDER = [("book", "ascending"), ("index", "ascending")]
KEYS_SCHEMA = pa.schema([SKETCH.field(name) for name in KEY_COLUMNS])


def find_pairs(sketches: pa.Table, section: DedupSection) -> tuple[pa.Table, pa.Table]:
    """Keys sorted by (book, index), and the PAIRS of their row numbers. All in this process's memory."""
    sketches = sketches.sort_by(IN_ORDER)  # whatever the order of files: of a crowd not all pairs are looked at
    keys = sketches.select(KEY_COLUMNS)
    if not section.near or not len(sketches):
        return in_order(keys, PAIRS.empty_table())
    lists = Lists.of(sketches.column("sample"))
    bounds = sketches.column("bound").to_numpy()
    pairs, shared = shared_keys(lists, key_bounds(lists))
    pairs = pairs[shared >= LEAST_SHARED]
    grams = sketches.column("gram").to_numpy()
    return in_order(keys, judged(pairs, count_shared(pairs, lists, bounds), bounds, grams))


def in_order(keys: pa.Table, pairs: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Keys sorted by (book, index) and the pairs with the row numbers that follow from it, sorted, a before b."""
    order = pc.sort_indices(keys, sort_keys=IN_ORDER).to_numpy()
    place = np.empty(len(order), np.uint32)
    place[order] = np.arange(len(order), dtype=np.uint32)
    a, b = place[pairs.column("a").to_numpy()], place[pairs.column("b").to_numpy()]
    turn = a > b
    shares = [pairs.column(name).to_numpy() for name in ("a_in_b", "b_in_a")]
    columns = {
        "a": np.where(turn, b, a),
        "b": np.where(turn, a, b),
        "similarity": pairs.column("similarity").to_numpy(),
        "a_in_b": np.where(turn, shares[1], shares[0]),
        "b_in_a": np.where(turn, shares[0], shares[1]),
    }
    found = pa.table(columns, schema=PAIRS)
    return keys.take(pa.array(order)).combine_chunks(), found.sort_by([("a", "ascending"), ("b", "ascending")])

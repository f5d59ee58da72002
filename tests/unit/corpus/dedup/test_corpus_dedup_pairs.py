"""What the search promises: the pairs that comparing all with all finds, in tasks as in one process, in little time."""

from __future__ import annotations

import random
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from novelray.corpus.dedup import decide, find_pairs, sketch_table
from novelray.corpus.dedup.compare import count_shared
from novelray.corpus.dedup.groups import groups_of
from novelray.corpus.dedup.pairs import NEIGHBOURS, Lists, key_bounds, shared_keys, unpacked
from novelray.corpus.dedup.sketches import EVERYTHING
from novelray.onray import dedup
from novelray.recipe.dedup import DedupSection
from novelray.storage import Store

HANZI = [chr(code) for code in range(0x4E00, 0x5600)]


def _text(seed, length):
    return "".join(random.Random(seed).choices(HANZI, k=length))


def _changed(text, share, seed):
    chance = random.Random(seed)
    return "".join(chance.choice(HANZI) if chance.random() < share else char for char in text)


def _sketches(texts, per_book=10):
    books = [(f"b{i // per_book:03d}", i % per_book, text) for i, text in enumerate(texts)]
    return sketch_table(
        [SimpleNamespace(chapter_id=f"{b}:{i}", book=b, index=i, digest=f"{b}{i}", text=t) for b, i, t in books]
    )


def _edges(pairs):
    return set(zip(pairs.column("a").to_pylist(), pairs.column("b").to_pylist(), strict=True))


@pytest.fixture(scope="module")
def shelf():
    """40 texts of all lengths, a changed copy of each, and a longer text around every fourth."""
    texts = [_text(i, 200 + 300 * (i % 7)) for i in range(40)]
    texts += [_changed(text, 0.03, i) for i, text in enumerate(texts)]
    texts += [_text(f"before{i}", 3_000) + texts[i] + _text(f"after{i}", 3_000) for i in range(3, 40, 4)]
    return _sketches(texts)


def test_every_changed_copy_and_every_text_inside_another_is_found(shelf):
    keys, pairs = find_pairs(shelf, DedupSection())
    assert keys.column("chapter_id").to_pylist() == sorted(keys.column("chapter_id").to_pylist())
    close = pairs.filter(pa.array(pairs.column("similarity").to_numpy() > 0.5))
    assert _edges(close) == {(i, i + 40) for i in range(40)}
    inside = {edge for edge in _edges(pairs) - _edges(close) if edge[0] < 40}
    long_enough = {(i, 80 + n) for n, i in enumerate(range(3, 40, 4)) if 200 + 300 * (i % 7) >= 1_700}
    assert long_enough <= inside <= {(i, 80 + n) for n, i in enumerate(range(3, 40, 4))}
    a, b, a_in_b = (pairs.column(name).to_pylist() for name in ("a", "b", "a_in_b"))
    assert min(share for *edge, share in zip(a, b, a_in_b, strict=True) if tuple(edge) in long_enough) > 0.99


def test_row_numbers_follow_book_and_index_whatever_order_sketches_come_in(shelf):
    turned = shelf.take(pa.array(np.arange(len(shelf))[::-1]))
    for one, other in zip(find_pairs(turned, DedupSection()), find_pairs(shelf, DedupSection()), strict=True):
        assert one.equals(other)


def test_nothing_is_looked_for_when_the_recipe_says_so(shelf):
    keys, pairs = find_pairs(shelf, DedupSection(near=False))
    assert (len(keys), len(pairs)) == (len(shelf), 0)


@pytest.mark.slow
@pytest.mark.parametrize(("task_bytes", "task_pairs"), [(1 << 30, 1 << 20), (20_000, 1 << 20), (9_000, 30)])
def test_tasks_find_what_one_process_finds(shelf, tmp_path, monkeypatch, task_bytes, task_pairs):
    def in_turn(rows, task, options, doing, done):
        for number in range(len(rows)):
            done(number)
        return [task(row, **options) for row in rows]

    monkeypatch.setattr(dedup, "map_rows", in_turn)  # Ray only runs the tasks elsewhere: tests/ray
    for name, value in {"IN_PROCESS": 0, "TASK_BYTES": task_bytes, "TASK_PAIRS": task_pairs}.items():
        monkeypatch.setattr(dedup, name, value)
    store, files = _stored(shelf, tmp_path)
    found = dedup.near_pairs(store, files, DedupSection(), "work")
    assert all(one.equals(other) for one, other in zip(found, find_pairs(shelf, DedupSection()), strict=True))


def _stored(sketches, folder):
    store = Store(str(folder))
    (folder / "sketches").mkdir()
    names = sketches.column("book").to_pylist()
    for book in sorted(set(names)):
        rows = sketches.filter(pa.array([name == book for name in names]))
        pq.write_table(rows, folder / "sketches" / f"{book}.parquet")
    pq.write_table(sketches.slice(0, 0), folder / "sketches" / "empty.parquet")
    return store, [f"sketches/{book}.parquet" for book in [*sorted(set(names)), "empty"]]


@pytest.mark.ray
@pytest.mark.slow
def test_tasks_on_ray_find_what_one_process_finds(shelf, tmp_path, monkeypatch, ray_session):
    for name, value in {"IN_PROCESS": 0, "TASK_BYTES": 50_000}.items():
        monkeypatch.setattr(dedup, name, value)
    store, files = _stored(shelf, tmp_path)
    found = dedup.near_pairs(store, files, DedupSection(), "work")
    assert all(one.equals(other) for one, other in zip(found, find_pairs(shelf, DedupSection()), strict=True))


def test_small_corpora_and_empty_ones_need_no_ray(shelf, tmp_path):
    store, files = _stored(shelf, tmp_path)
    found = dedup.near_pairs(store, files, DedupSection(), "work")
    assert all(one.equals(other) for one, other in zip(found, find_pairs(shelf, DedupSection()), strict=True))
    keys, pairs = dedup.near_pairs(store, [], DedupSection(), "work")
    assert (len(keys), len(pairs)) == (0, 0)
    assert keys.schema == found[0].schema


def test_the_number_of_pairs_grows_with_the_chapters_and_not_with_their_square():
    count = 3_000
    sketches = _sketches(["的一是不了" * 20 + _text("same", 300)] * count)
    lists = Lists.of(sketches.column("sample"))
    pairs, _ = shared_keys(lists, key_bounds(lists))
    keys = min(32, int(np.diff(lists.offsets).max()))
    assert len(pairs) <= count * (NEIGHBOURS + 1) * keys
    assert (groups_of(count, *unpacked(pairs)) == 0).all()


def test_a_text_with_sixty_changed_copies_is_found_by_each_of_them():
    original = _text("original", 3_000)
    copies = [_changed(original, 0.05, i) for i in range(60)]
    _, pairs = find_pairs(_sketches([*copies[:30], original, *copies[30:]]), DedupSection())
    assert {i for edge in _edges(pairs) if 30 in edge for i in edge} == set(range(61))


@pytest.fixture(scope="module")
def crowd():
    """Ten thousand changed copies of a chapter, and fifty others, one to a book."""
    original = _text("original", 400)
    return _sketches([*(_changed(original, 0.02, i) for i in range(10_000)), *(_text(i, 400) for i in range(50))], 1)


@pytest.mark.slow
@pytest.mark.parametrize("per_book", [1, 100])
def test_ten_thousand_changed_copies_of_a_chapter_cost_little_and_leave_one(crowd, per_book):
    count = 10_000
    columns = {"book": [f"b{i // per_book:05d}" for i in range(len(crowd))]}
    columns["chapter_id"] = [f"{book}:{i % per_book}" for i, book in enumerate(columns["book"])]
    columns["index"] = [i % per_book for i in range(len(crowd))]
    sketches = pa.table({name: columns.get(name, crowd.column(name)) for name in crowd.schema.names}, crowd.schema)
    tracemalloc.start()
    keys, pairs = find_pairs(sketches, DedupSection())
    decision = decide(keys, pairs, [], DedupSection(max_share=1.0))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) < 20 * count
    assert peak < 30_000 * count  # bytes; all pairs alone would take 40,000
    assert keys.column("chapter_id").to_pylist() == columns["chapter_id"]
    assert decision.keep[count:].all()
    assert 1 <= decision.keep[:count].sum() <= 0.01 * count  # a few have too little in common with the one that is kept


def test_a_crowd_is_the_same_whatever_the_order_of_files():
    sketches = _sketches([_changed(_text("original", 400), 0.02, i) for i in range(600)])
    turned = sketches.take(pa.array(np.random.default_rng(1).permutation(len(sketches))))
    for one, other in zip(find_pairs(turned, DedupSection()), find_pairs(sketches, DedupSection()), strict=True):
        assert one.equals(other)


@given(st.lists(st.sets(st.integers(0, 60), max_size=40), min_size=2, max_size=8))
@settings(deadline=None)
def test_shared_hashes_are_counted_as_sets_say(sets):
    spread = np.uint64(EVERYTHING // 61)
    values = [np.array(sorted(one), np.uint64) * spread for one in sets]
    offsets = np.r_[0, np.cumsum([len(v) for v in values])].astype(np.int64)
    bounds = np.full(len(sets), EVERYTHING, np.uint64)
    edges = [(a, b) for b in range(len(sets)) for a in range(b)]
    pairs = np.array([a << 32 | b for a, b in edges], np.uint64)
    counts = count_shared(pairs, Lists(np.concatenate(values), offsets), bounds)
    assert counts.both.tolist() == [len(sets[a] & sets[b]) for a, b in edges]
    assert counts.a.tolist() == [len(sets[a]) for a, _ in edges]


@given(st.integers(1, 30), st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_groups_are_the_connected_parts(count, edges):
    edges = [(a % count, b % count) for a, b in edges]
    parent = list(range(count))

    def root(node):
        return node if parent[node] == node else root(parent[node])

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parent[high] = low
    assert groups_of(count, [a for a, _ in edges], [b for _, b in edges]).tolist() == [root(i) for i in range(count)]

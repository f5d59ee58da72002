"""What the chapter files promise: the schema, the order, bounded pieces, and the same bytes for the same chapters."""

from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from novelray.corpus import CHAPTERS, chapter_files, chapters
from novelray.corpus import files as files_module
from novelray.corpus.book import Chapter
from novelray.corpus.files import plan_files, write_file, write_part
from novelray.errors import DamagedError
from novelray.storage import Plan


def _chapters(book, count, chars=30):
    return [Chapter(f"{book}:{i:05d}", book, f"第{i}章", i, "字" * chars, "zh", f"{book}{i}") for i in range(count)]


@pytest.fixture
def corpus(artifacts, monkeypatch):
    """Three books over two files, with small groups; book b's chapter 1 is removed, c's chapter 0 is held out."""
    monkeypatch.setattr(files_module, "FILE_CHARS", 300)
    monkeypatch.setattr(files_module, "GROUP_CHARS", 60)
    draft = artifacts.begin(Plan("corpus", 1))
    store, splits, parts = artifacts.store, {}, []
    for book, count in (("a", 5), ("b", 3), ("c", 4)):
        made = _chapters(book, count)
        write_part(store, f"{draft.prefix}/.parts/{book}", made)
        parts.append((f"{draft.prefix}/.parts/{book}", 30 * count))
        splits |= {c.chapter_id: "train" for c in made}
    del splits["b:00001"]
    splits["c:00000"] = "heldout"
    for plan in plan_files(f"{draft.prefix}/chapters", parts):
        write_file(store, plan, splits)
    store.delete(f"{draft.prefix}/.parts")
    return draft.commit()


def _ids(*args, **kwargs):
    return [i for batch in chapters(*args, **kwargs) for i in batch.column("chapter_id").to_pylist()]


def test_chapters_come_in_order_of_book_and_index_without_the_removed_ones(corpus):
    assert chapter_files(corpus) == ["chapters/00000.parquet", "chapters/00001.parquet"]
    expected = [f"{b}:{i:05d}" for b, n in (("a", 5), ("b", 3), ("c", 4)) for i in range(n)]
    expected.remove("b:00001")
    assert _ids(corpus) == expected


def test_a_reader_chooses_split_books_and_columns(corpus):
    assert _ids(corpus, "heldout") == ["c:00000"]
    assert _ids(corpus, "train", books=("b", "c*")) == ["b:00000", "b:00002", "c:00001", "c:00002", "c:00003"]
    batch = next(iter(chapters(corpus, columns=["chapter_id", "chars"])))
    assert batch.schema.names == ["chapter_id", "chars"]


def test_files_have_the_schema_and_small_row_groups(corpus):
    path = corpus.local() / "chapters" / "00000.parquet"
    assert pq.read_schema(path).equals(CHAPTERS)
    assert pq.ParquetFile(path).metadata.num_row_groups > 3


def test_the_same_chapters_give_the_same_bytes(artifacts):
    for path in ("one", "two"):
        write_part(artifacts.store, path, _chapters("a", 50))
    assert artifacts.store.read("one") == artifacts.store.read("two")


def test_a_book_larger_than_a_file_gets_one_and_small_ones_share():
    sizes = [("a", 1_000_000), ("b", 9_000_000), ("c", 1_000_000), ("d", 1_000_000)]
    assert [plan.parts for plan in plan_files("f", sizes)] == [("a",), ("b",), ("c", "d")]


def test_a_damaged_chapter_file_is_not_read(corpus):
    path = corpus.local() / "chapters" / "00000.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedError, match=r"00000\.parquet"):
        _ids(corpus)

"""What the chapter files promise: the schema, the order, bounded pieces, and the same bytes for the same chapters."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from novelray.corpus import CHAPTERS, chapter_files, chapters
from novelray.corpus import files as files_module
from novelray.corpus.book import Chapter
from novelray.corpus.files import Chosen, PartWriter, plan_files, write_file
from novelray.errors import DamagedError
from novelray.storage import Plan


def _chapters(book, count, chars=30):
    return [
        Chapter(f"{book}:{i:05d}", book, "", "", "", f"第{i}章", i, "字" * chars, "zh", f"{book}{i}")
        for i in range(count)
    ]


@pytest.fixture
def small(monkeypatch):
    """Row groups of two of these chapters, files of ten."""
    monkeypatch.setattr(files_module, "FILE_CHARS", 300)
    monkeypatch.setattr(files_module, "GROUP_CHARS", 60)


@pytest.fixture
def corpus(artifacts, small, tmp_path):
    """Three books over two files; book b's chapter 1 is removed, c's chapter 0 is held out, a's second has labels."""
    draft = artifacts.begin(Plan("corpus", 1))
    store, groups = artifacts.store, []
    for book, count in (("a", 5), ("b", 3), ("c", 4)):
        with PartWriter(tmp_path / book) as part:
            part.add(_chapters(book, count))
        store.put(tmp_path / book, f"parts/{book}")
        letters = {"a": "ttttt", "b": "t-t", "c": "httt"}[book]
        for number, group in enumerate(part.groups):
            groups.append(Chosen(f"parts/{book}", number, letters[2 * number : 2 * number + group.rows], group.chars))
    for plan in plan_files(f"{draft.prefix}/chapters", groups):
        write_file(store, plan, {"a:00001": ["mood=calm"]})
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


def test_labels_stand_with_their_chapter_and_nowhere_else(corpus):
    labels = {r["chapter_id"]: r["labels"] for b in chapters(corpus) for r in b.to_pylist()}
    assert {i: found for i, found in labels.items() if found} == {"a:00001": ["mood=calm"]}


def test_files_have_the_schema_and_small_row_groups(corpus):
    path = corpus.local() / "chapters" / "00000.parquet"
    assert pq.read_schema(path).equals(CHAPTERS)
    assert pq.ParquetFile(path).metadata.num_row_groups > 3


def test_the_same_chapters_give_the_same_bytes(tmp_path):
    for path in ("one", "two"):
        with PartWriter(tmp_path / path) as part:
            part.add(_chapters("a", 50))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_part_holds_no_more_than_a_group_in_memory_and_says_what_it_wrote(tmp_path, small):
    with PartWriter(tmp_path / "part") as part:
        part.add(_chapters("a", 5))
        part.add(_chapters("b", 1, chars=500))
    assert [(g.rows, g.chars) for g in part.groups] == [(2, 60), (2, 60), (1, 30), (1, 500)]
    with pa.ipc.open_file(tmp_path / "part") as found:
        assert [found.get_batch(i).num_rows for i in range(found.num_record_batches)] == [2, 2, 1, 1]


def test_large_groups_get_a_file_of_their_own_small_ones_share_and_empty_ones_are_passed_over():
    groups = [
        Chosen("a", 0, "t", 1_000_000), Chosen("b", 0, "t", 9_000_000), Chosen("b", 1, "--", 1_000_000),
        Chosen("c", 0, "h-", 1_000_000), Chosen("d", 0, "t", 1_000_000),
    ]  # fmt: skip
    plans = plan_files("f", groups)
    assert [[g.part for g in plan.groups] for plan in plans] == [["a"], ["b"], ["c", "d"]]
    assert [plan.path for plan in plans] == ["f/00000.parquet", "f/00001.parquet", "f/00002.parquet"]


def test_a_damaged_chapter_file_is_not_read(corpus):
    path = corpus.local() / "chapters" / "00000.parquet"
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(DamagedError, match=r"00000\.parquet"):
        _ids(corpus)

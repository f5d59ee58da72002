"""Which class each document of a packed row has."""

import numpy as np
import pyarrow as pa
import pytest

from novelray.errors import TrainError
from novelray.recipe.tasks import TaskSection
from novelray.shards.chapters import SCHEMA, chapters_bytes, open_chapters, read_chapters
from novelray.shards.format import shard_bytes
from novelray.shards.labels import Labels, check_classes, classes_of, label_of_each
from novelray.shards.pack import pack
from novelray.shards.rows import Rows


def table(**chapters):
    """Chapters by id: (split, genre, labels)."""
    rows = [
        {**dict.fromkeys(SCHEMA.names, ""), "chapter_id": name, "split": split, "genre": genre, "labels": labels}
        for name, (split, genre, labels) in chapters.items()
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


KNOWN = table(
    a=("train", "wuxia", ["style=plain", "tone=sad"]),
    b=("train", "", ["style=rich"]),
    c=("train", "romance", ["style=plain", "style=rich"]),
    d=("heldout", "essay", ["style=terse"]),
)


@pytest.fixture
def rows(tmp_path):
    """a fills the first row and goes on in the second, where b follows; then c, a chapter not in the table, padding."""
    lengths = {"a": 9, "b": 4, "c": 2, "unknown": 1}
    packed = pack(((name, np.arange(2, 2 + n)) for name, n in lengths.items()), 8, 1, 0)
    (tmp_path / "rows-00000.arrow").write_bytes(shard_bytes(packed))
    return Rows([tmp_path / "rows-00000.arrow"])


def test_a_label_comes_from_the_annotators_layer_or_from_the_column():
    assert label_of_each(KNOWN, "style") == ["plain", "rich", None, "terse"]
    assert label_of_each(KNOWN, "genre") == ["wuxia", None, "romance", "essay"]
    assert label_of_each(KNOWN, "nothing") == [None] * 4


def test_the_classes_are_those_of_the_training_chapters():
    assert classes_of(KNOWN, "style") == ["plain", "rich"]
    assert classes_of(KNOWN, "genre") == ["romance", "wuxia"]


def test_every_piece_of_a_chapter_has_its_label_and_nothing_else_has(rows):
    labels = Labels(rows, KNOWN, ["style", "genre"], [["plain", "rich"], ["romance", "wuxia"]])
    assert [rows.chapters(n) for n in range(3)] == [["a"], ["a", "b", "c"], ["c", "unknown"]]
    assert labels.of(np.array([0, 1, -1])).tolist() == [
        [[0, 1], [-1, -1], [-1, -1]],
        [[0, 1], [1, -1], [-1, 0]],
        [[-1, -1], [-1, -1], [-1, -1]],
    ]
    assert labels.of(np.array([2]))[0].tolist() == [[-1, 0], [-1, -1]]
    assert labels.of(np.array([-1])).shape == (1, 1, 2)


def test_the_labelled_documents_of_a_batch_are_counted_by_label(rows):
    labels = Labels(rows, KNOWN, ["style", "genre"], [["plain", "rich"], ["romance", "wuxia"]])
    assert labels.count(np.array([0, 1, 2, -1])).tolist() == [3, 4]
    assert labels.count(np.array([-1])).tolist() == [0, 0]


def test_one_class_alone_is_refused_with_its_name():
    with pytest.raises(TrainError, match="'plain' alone"):
        check_classes(TaskSection(name="s", label="style"), KNOWN.slice(0, 1))
    with pytest.raises(TrainError, match="none: there is nothing"):
        check_classes(TaskSection(name="s", label="author"), KNOWN)


def test_the_table_is_read_as_it_was_written(tmp_path):
    assert read_chapters(chapters_bytes(KNOWN)).equals(KNOWN)
    assert len(open_chapters(tmp_path)) == 0  # shards of before there was a table

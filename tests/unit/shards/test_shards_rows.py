"""Rows from shard files: right row, right file, and clear words about files that are no shards."""

import pickle

import numpy as np
import pyarrow as pa
import pytest

from novelray.errors import DamagedError, ModelError
from novelray.shards import Rows, open_rows
from novelray.shards.format import shard_bytes
from novelray.shards.pack import pack

EOS, PAD = 0, 1


def write_shards(folder, rows_per_file, context=8, pad_id=PAD):
    """Files with that many full rows each; row n over all files starts with the token 100 + n."""
    (folder / "train").mkdir(parents=True, exist_ok=True)
    number = 0
    for index, count in enumerate(rows_per_file):
        documents = [(f"c{number + n}", [100 + number + n] * (context - 1)) for n in range(count)]
        number += count
        data = shard_bytes(pack(documents, context, pad_id, EOS))
        (folder / "train" / f"rows-{index:05d}.arrow").write_bytes(data)
    return sorted((folder / "train").iterdir())


def test_rows_are_found_across_files_in_any_order(tmp_path):
    rows = Rows(write_shards(tmp_path, [3, 0, 1, 4]))
    assert len(rows) == 8
    assert rows.context == 8
    batch = rows.batch(np.array([7, 0, 3, 3, 2, 4]))
    assert batch.input_ids[:, 0].tolist() == [107, 100, 103, 103, 102, 104]
    assert [rows.chapters(i) for i in (7, 0, 3)] == [["c7"], ["c0"], ["c3"]]
    assert rows.trained.tolist() == [7] * 8
    assert (batch.input_ids.dtype, batch.position_ids.dtype, batch.mask.dtype) == (np.int64, np.int64, np.bool_)


def test_what_was_packed_is_what_is_read(tmp_path):
    packed = pack([("a", range(10, 31)), ("b", range(40, 45))], 8, PAD, EOS)
    (tmp_path / "rows-00000.arrow").write_bytes(shard_bytes(packed))
    rows = Rows([tmp_path / "rows-00000.arrow"])
    batch = rows.batch(np.arange(len(rows)))
    assert (batch.input_ids == packed.input_ids).all()
    assert (batch.position_ids == packed.position_ids).all()
    assert (batch.mask == packed.mask).all()
    assert [rows.chapters(i) for i in range(len(rows))] == packed.chapters


def test_minus_one_is_an_empty_row(tmp_path):
    batch = Rows(write_shards(tmp_path, [2])).batch(np.array([-1, 1, -1]))
    assert batch.input_ids[0].tolist() == batch.input_ids[2].tolist() == [PAD] * 8
    assert batch.position_ids[0].tolist() == list(range(8))
    assert not batch.mask[[0, 2]].any()
    assert batch.mask[1].any()


def test_row_numbers_outside_are_refused(tmp_path):
    rows = Rows(write_shards(tmp_path, [2]))
    for wrong in (-2, 2):
        with pytest.raises(IndexError):
            rows.batch(np.array([0, wrong]))


def test_rows_read_from_the_mapped_file_and_not_from_a_copy(tmp_path):
    rows = Rows(write_shards(tmp_path, [500], context=1024))
    before = pa.total_allocated_bytes()
    rows.batch(np.array([0, 499]))
    assert pa.total_allocated_bytes() - before < 100_000
    assert not rows._blocks[0].input_ids.flags.owndata


def test_rows_survive_the_trip_to_another_process(tmp_path):
    rows = pickle.loads(pickle.dumps(Rows(write_shards(tmp_path, [2, 2]))))
    assert rows.batch(np.array([3])).input_ids[0, 0] == 103


def test_a_token_outside_the_vocabulary_is_refused_with_its_row(tmp_path):
    rows = Rows(write_shards(tmp_path, [3, 4]))
    rows.check_vocabulary(107)
    with pytest.raises(ModelError, match=r"Row 5 has the token id 105.*has 105 tokens"):
        rows.check_vocabulary(105)


def test_a_torn_shard_is_refused_by_name(tmp_path):
    files = write_shards(tmp_path, [3, 3])
    files[1].write_bytes(files[1].read_bytes()[:-200])
    with pytest.raises(DamagedError, match=r"rows-00001.arrow cannot be read"):
        Rows(files)
    files[1].unlink()
    with pytest.raises(DamagedError, match=r"rows-00001.arrow cannot be read"):
        Rows(files)


def test_an_arrow_file_that_is_no_shard_is_refused(tmp_path):
    file = tmp_path / "rows-00000.arrow"
    table = pa.table({"text": ["x"]})
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DamagedError, match="is not a shard"):
        Rows([file])


def test_shards_that_do_not_fit_together_are_refused(tmp_path):
    files = write_shards(tmp_path / "a", [1], context=8) + write_shards(tmp_path / "b", [1], context=16)
    with pytest.raises(DamagedError, match="rows of 16 tokens"):
        Rows(files)


def test_a_split_without_shards_is_none(tmp_path):
    write_shards(tmp_path, [1])
    assert len(open_rows(tmp_path, "train")) == 1
    assert open_rows(tmp_path, "heldout") is None

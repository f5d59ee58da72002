"""How hard rows are: by the loss of the starting model, by their chapters, and as an artifact made once."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from support import training

from novelray.errors import DamagedError
from novelray.onray import difficulty as on_cluster
from novelray.shards.difficulty import DIFFICULTY_FILE, difficulty_bytes, read_difficulty, row_difficulty
from novelray.shards.rows import open_rows
from novelray.storage import Plan
from novelray.train.difficulty import row_losses
from novelray.train.order import training_rows
from novelray.train.setup import build_model

SECTION = {"schedule": [{"epoch": 1, "easy": 0.5}], "difficulty": "loss"}


@pytest.fixture
def job(artifacts, tmp_path):
    return training.tiny_job(artifacts, tmp_path, curriculum=SECTION)


@pytest.fixture
def rows(job):
    return open_rows(job.artifacts.get(job.shards).local(), "train")


def pieces_of(rows, number):
    """(chapter, token ids) of each chapter piece in a row, told by the restarting positions."""
    batch = rows.batch(np.array([number]))
    starts = [*np.flatnonzero(batch.position_ids[0] == 0).tolist(), rows.context]
    pieces = [batch.input_ids[0, a:b] for a, b in pairwise(starts)]
    return list(zip(rows.chapters(number), pieces, strict=False))


def test_a_rows_loss_is_what_plain_transformers_gives_for_its_chapters_one_by_one(job, rows):
    model = build_model(job, bf16=False).eval()
    found = row_losses(model, rows, np.arange(6))
    for number in range(6):
        summed, count = 0.0, 0
        for _, ids in pieces_of(rows, number):
            if len(ids) > 1:
                text = torch.from_numpy(ids)[None]
                with torch.no_grad():
                    summed += model(input_ids=text, labels=text).loss.item() * (len(ids) - 1)
                count += len(ids) - 1
        assert found[number] == pytest.approx(summed / count, rel=1e-5)


def test_a_rows_difficulty_is_the_mean_of_its_chapters_weighted_by_their_tokens(rows):
    values = {f"book:{i}": float(i * i) for i in range(40)}
    found = row_difficulty(rows, values)
    for number in range(len(rows)):
        pieces = pieces_of(rows, number)
        tokens = sum(len(ids) for _, ids in pieces)
        assert found[number] == pytest.approx(sum(values[c] * len(ids) for c, ids in pieces) / tokens)
    assert any(len(rows.chapters(n)) > 1 for n in range(len(rows)))


def test_a_chapter_that_the_corpus_lacks_is_told(rows):
    with pytest.raises(DamagedError, match="no chapter 'book:0'"):
        row_difficulty(rows, {})


def test_the_column_file_gives_back_the_very_same_numbers():
    values = np.random.default_rng(1).normal(size=50)
    assert (read_difficulty(difficulty_bytes(values)) == values).all()
    with pytest.raises(DamagedError, match="cannot be read"):
        read_difficulty(b"torn")


@pytest.mark.slow
def test_the_loss_of_a_row_does_not_depend_on_how_many_workers_measure(job):
    whole = on_cluster.loss_task(job, 0, 1, gpu=False)
    parts = [on_cluster.loss_task(job, part, 3, gpu=False) for part in range(3)]
    assert (np.concatenate(parts) == whole).all()


@pytest.mark.slow
def test_difficulty_by_loss_is_measured_once_and_the_order_goes_by_it(job, artifacts, monkeypatch):
    said = []
    monkeypatch.setattr(on_cluster, "_losses", lambda job: on_cluster.loss_task(job, 0, 1, gpu=False))
    measured = on_cluster.with_difficulty(job, None, said.append)
    assert measured.plan.id != job.plan.id
    assert measured.plan.inputs["difficulty"] == measured.difficulty
    assert on_cluster.with_difficulty(job, None, said.append).difficulty == measured.difficulty
    assert "loss in nats per token" in said[0]
    assert "nothing changed" in said[1]
    values = read_difficulty(artifacts.get(measured.difficulty).read(DIFFICULTY_FILE))
    easy, hard = training_rows(measured)[1].bands
    assert values[easy].max() <= values[hard].min()


def test_difficulty_by_scores_reads_the_training_chapters_of_the_stages_books(job, artifacts, monkeypatch):
    def here(rows, task, options, doing):
        return [task(row, **options) for row in rows]

    monkeypatch.setattr(on_cluster, "map_rows", here)
    texts = training.stories(40, 2)
    texts = [("。" if i < 20 else "，").join(t.split("，")) for i, t in enumerate(texts)]
    columns = {
        "chapter_id": [f"book:{i}" for i in range(40)] + ["other:0", "book:held"],
        "book": ["book"] * 40 + ["other", "book"],
        "split": ["train"] * 41 + ["heldout"], "language": ["zh"] * 42, "text": [*texts, "别", "别"],
    }  # fmt: skip
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    draft = artifacts.begin(Plan("corpus", 1))
    draft.write("chapters/00000.parquet", sink.getvalue().to_pybytes())
    corpus = draft.commit()
    old = artifacts.get(job.shards)
    draft = artifacts.begin(Plan("shards", 1, section={"with": "index"}))
    draft.add_folder(old.local())
    draft.write_json("index.json", {"books": ["book"]})
    section = job.stage.curriculum.model_copy(update={"difficulty": "scores"})
    stage = job.stage.model_copy(update={"curriculum": section})
    measured = on_cluster.with_difficulty(
        replace(job, shards=draft.commit().id, stage=stage), corpus, lambda line: None
    )
    rows, order = training_rows(measured)
    hard = [chapter for row in order.bands[1] for chapter in rows.chapters(int(row))]
    assert np.mean([int(c.partition(":")[2]) >= 20 for c in hard]) > 0.8, "the later chapters have the longer sentences"


def test_without_a_curriculum_nothing_is_measured(job):
    plain = replace(job, stage=job.stage.model_copy(update={"curriculum": None}))
    assert on_cluster.with_difficulty(plain, None, print) is plain

"""The held-out loss by genre and author against the same chapters, one piece at a time, through the exported model."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
import torch
from support import training

from novelray.shards.chapters import CHAPTERS_FILE, SCHEMA, chapters_bytes
from novelray.shards.rows import open_rows
from novelray.storage import Artifacts, Plan, Store
from novelray.telemetry.journal import read_journal
from novelray.train.groups import OTHER, UNKNOWN, Groups

GENRES = ("武侠", "言情", "")


def told(number, split):
    """What is known of a chapter of the tiny shards: three genres, twelve authors."""
    return {"chapter_id": f"book:{number}", "split": split, "book": "book", "author": f"作者{number % 12}",
            "genre": GENRES[number % 3], "language": "zh", "perspective": "", "origin": "", "labels": []}  # fmt: skip


def with_chapters(job):
    """The job over the same rows with a table of their chapters beside them."""
    draft = job.artifacts.begin(Plan("shards", 2, {"rows": job.shards}))
    draft.add_folder(job.artifacts.get(job.shards).local())
    draft.write(CHAPTERS_FILE, chapters_bytes(pa.Table.from_pylist([told(i, "heldout") for i in range(8)], SCHEMA)))
    return training.variant(job, "told", shards=draft.commit().id)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("groups")
    artifacts = Artifacts(Store(str(folder / "store")))
    few = {"max_steps": 2, "validate_every": 2, "validation_rows": 30, "global_batch": 4, "micro_batch": 4}
    plain = training.tiny_job(artifacts, folder, **few)
    both = with_chapters(plain), plain
    training.run_here(*both)
    return both


def last_validation(job):
    return [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "validation"][-1]


def apart(job):
    """(loss, tokens) summed by genre: every chapter's piece of a row by itself through transformers' own loss."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(job.artifacts.get(job.plan.id).local()).eval()
    rows = open_rows(job.artifacts.get(job.shards).local(), "heldout")
    sums = defaultdict(lambda: np.zeros(2))
    for index in range(min(len(rows), job.stage.validation_rows)):
        batch = rows.batch(np.array([index]))
        starts = np.flatnonzero(batch.position_ids[0] == 0).tolist()
        for chapter, start, end in zip(rows.chapters(index), starts, [*starts[1:], None], strict=False):
            ids = torch.from_numpy(batch.input_ids[:, start:end])
            if ids.shape[1] > 1:
                with torch.no_grad():
                    loss = model(input_ids=ids, labels=ids).loss.item()
                genre = GENRES[int(chapter.partition(":")[2]) % 3]
                sums[genre or UNKNOWN] += (loss * (ids.shape[1] - 1), ids.shape[1] - 1)
    return sums


def test_the_loss_by_genre_is_that_of_its_chapters_alone(jobs):
    validation, expected = last_validation(jobs[0]), apart(jobs[0])
    assert validation["by_genre"].keys() == expected.keys()
    for genre, (loss, tokens) in expected.items():
        assert validation["by_genre"][genre]["tokens"] == tokens
        assert validation["by_genre"][genre]["loss"] == pytest.approx(loss / tokens, abs=1e-4)


def test_knowing_the_chapters_changes_neither_the_total_nor_the_training(jobs):
    known, plain = map(last_validation, jobs)
    assert known["loss"] == plain["loss"]
    assert training.losses(jobs[0]) == training.losses(jobs[1])
    assert "by_genre" not in plain
    assert "by_author" not in plain


def test_the_parts_add_up_to_the_whole(jobs):
    validation = last_validation(jobs[0])
    for kind in ("by_genre", "by_author"):
        parts = validation[kind].values()
        tokens = sum(p["tokens"] for p in parts)
        assert sum(p["loss"] * p["tokens"] for p in parts) / tokens == pytest.approx(validation["loss"], abs=2e-6)


def test_the_journal_says_how_much_was_trained_and_how_well_the_machine_was_used(jobs):
    train = [e for e in read_journal(jobs[0].artifacts.store, jobs[0].run) if e["kind"] == "train"]
    assert 0 < train[0]["tokens"] < train[1]["tokens"] == last_validation(jobs[0])["tokens"]
    for event in train:
        assert event["memory_peak"] > 1e8
        assert event["flops_per_s"] == pytest.approx(event["tokens_per_s"] * FULL_NANO, rel=0.01)
        assert "mfu" not in event  # a CPU has no peak that everyone agrees on


FULL_NANO = 6 * 1_632_000
"""About, per token: the matrices of scratch:nano with a vocabulary of 400."""


def test_the_largest_groups_are_named_and_the_rest_is_one():
    groups = Groups(pa.Table.from_pylist([told(i, "heldout") for i in range(36)], SCHEMA))
    index = {name: i for i, name in enumerate(groups._names)}
    for number in range(12):
        groups.sums[:, index["author", f"作者{number}"]] = (3.0 * (number + 1), number + 1)
    by_author = groups.figures()["by_author"]
    assert list(by_author) == [*(f"作者{n}" for n in range(11, 3, -1)), OTHER]
    assert by_author[OTHER] == {"loss": 3.0, "tokens": 1 + 2 + 3 + 4}


def test_where_nothing_is_known_nothing_is_split():
    groups = Groups(pa.Table.from_pylist([{**told(0, "heldout"), "genre": "", "author": ""}], SCHEMA))
    groups.sums[:] = 5
    assert groups.figures() == {}


@pytest.mark.slow
def test_two_workers_split_the_loss_as_one_does(jobs):
    two = training.variant(jobs[0], "two", stage=jobs[0].stage.model_copy(update={"micro_batch": 2}))
    assert training.run(two, world=2) == [0, 0]
    one, other = last_validation(jobs[0]), last_validation(two)
    for kind in ("by_genre", "by_author"):
        assert one[kind].keys() == other[kind].keys()
        for name, found in one[kind].items():
            assert other[kind][name]["tokens"] == found["tokens"]
            assert other[kind][name]["loss"] == pytest.approx(found["loss"], abs=1e-4)

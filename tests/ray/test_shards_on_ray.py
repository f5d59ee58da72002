"""Tokenizer and shards on a real Ray session: complete, always the same, and clear when they cannot be made."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from novelray.corpus.schema import CHAPTERS
from novelray.errors import CorpusError, DamagedError, ModelError
from novelray.generate.guard.copying import CopyRun, Limits
from novelray.generate.guard.index import open_index
from novelray.onray.shards import build_shards, build_tokenizer, training_texts
from novelray.recipe import Recipe
from novelray.shards import open_rows
from novelray.shards.chapters import open_chapters
from novelray.shards.grams import is_grams
from novelray.shards.tokenizer import digest_of_tokenizer, load_tokenizer
from novelray.storage import Plan

pytestmark = pytest.mark.ray

LINES = ["山雨欲来风满楼，", "老船夫把船系在柳树下。", "他笑而不答。\n", "“今夜有雨，”他说。", "河水涨了一尺！"]


def chapter(book, index, split="train", lines=30):
    rng = np.random.default_rng([len(book), index])
    text = f"第{index}回\n" + "".join(LINES[i] for i in rng.integers(0, len(LINES), lines))
    return {
        "chapter_id": f"{book:0>12}:{index:05d}", "book": book, "title": f"第{index}回", "index": index, "text": text,
        "chars": len(text), "language": "zh", "split": split, "digest": f"{book}{index}", "scenes": [0],
        "labels": [], **dict.fromkeys(("author", "genre", "volume", "perspective", "origin", "source"), ""),
    }  # fmt: skip


BOOKS = {
    "红楼梦": [chapter("红楼梦", i, "heldout" if i == 3 else "train") for i in range(8)],
    "西游记": [chapter("西游记", i, "heldout" if i == 1 else "train") for i in range(5)],
    "短篇": [chapter("短篇", 0)],
}


@pytest.fixture
def corpus(artifacts):
    """A corpus of three books in two files."""
    return make_corpus(artifacts, [BOOKS["红楼梦"], BOOKS["西游记"] + BOOKS["短篇"]])


def make_corpus(artifacts, files):
    draft = artifacts.begin(Plan("corpus", 1, {}, {"test": len(files)}))
    for number, rows in enumerate(files):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pylist(rows, schema=CHAPTERS), sink)
        draft.write(f"chapters/{number:05d}.parquet", sink.getvalue().to_pybytes())
    return draft.commit()


def recipe(**shards):
    values = {"context": 64, "tokenizer": "train", "vocab_size": 400, "group_chars": 700, **shards}
    return Recipe.model_validate(
        {"name": "t", "model": {"base": "scratch:nano"}, "shards": values, "train": {"method": "full"}}
    )


@pytest.fixture
def said():
    return []


def build(artifacts, corpus, said, books=("*",), **shards):
    tokenizer = build_tokenizer(recipe(), artifacts, corpus, said.append).local()
    digest = digest_of_tokenizer(tokenizer)
    return build_shards(recipe(**shards), artifacts, corpus, tokenizer, digest, books, said.append)


def texts_of(artifact, split, tokenizer):
    """Each chapter's text put together again from the rows, by chapter id in row order."""
    rows = open_rows(artifact.local(), split)
    texts, ids = {}, []
    for number in range(len(rows)):
        batch, names = rows.batch(np.array([number])), rows.chapters(number)
        starts = [*np.flatnonzero(batch.position_ids[0] == 0), rows.context]
        for name, start, stop in zip(names, starts, starts[1:], strict=False):
            piece = batch.input_ids[0, start:stop]
            texts[name] = texts.get(name, "") + tokenizer.decode([i for i in piece if i != tokenizer.eos_token_id])
            ids += [name] if name not in ids else []
    return texts, ids


def test_every_chapter_can_be_read_back_from_the_rows_of_its_split(ray_session, artifacts, corpus, said):
    shards = build(artifacts, corpus, said)
    index = shards.read_json("index.json")
    tokenizer = load_tokenizer(build_tokenizer(recipe(), artifacts, corpus, said.append).local())
    for split in ("train", "heldout"):
        expected = {c["chapter_id"]: c["text"] for book in BOOKS.values() for c in book if c["split"] == split}
        texts, order = texts_of(shards, split, tokenizer)
        assert texts == expected
        assert order == list(expected)
        counts = index["splits"][split]
        rows = open_rows(shards.local(), split)
        assert counts["chapters"] == len(expected)
        assert counts["chars"] == sum(map(len, expected.values()))
        assert counts["rows"] == len(rows)
        assert counts["trained"] == rows.trained.sum()
        assert counts["tokens"] == round(len(rows) * 64 * (1 - counts["padding"]))
        rows.check_vocabulary(index["vocab_size"])
    assert index["splits"]["train"]["files"] > 3
    assert index["books"] == ["红楼梦", "西游记", "短篇"]
    assert (index["eos_id"], index["pad_id"], index["bos_id"]) == (0, 1, None)


def test_the_same_shards_come_out_byte_for_byte_with_one_task_at_a_time(ray_session, artifacts, corpus, said):
    first = build(artifacts, corpus, said).manifest
    artifacts.store.delete(f"artifacts/{first.id}")
    again = build(artifacts, corpus, said, workers=1).manifest
    assert again.attempt != first.attempt
    assert (again.id, again.files) == (first.id, first.files)


def test_copies_of_training_chapters_and_of_no_others_are_told_by_the_shards(ray_session, artifacts, said):
    def told_apart(number):  # no two of these share a line
        text = "".join(chr(code) for code in np.random.default_rng(number).integers(0x4E00, 0x9000, 400))
        return chapter("独书", number, "heldout" if number == 2 else "train") | {"text": text, "chars": len(text)}

    chapters = [told_apart(number) for number in range(5)]
    shards = build(artifacts, make_corpus(artifacts, [chapters[:3], chapters[3:]]), said)
    files = shards.read_json("index.json")["splits"]["train"]["files"]
    assert sum(map(is_grams, shards.manifest.files)) == files > 1
    index = open_index(artifacts, [shards.id])
    for one in chapters:
        copied = CopyRun(index, Limits(60, 200)).push("也".join("从前有人说") + one["text"])
        assert copied == (None if one["split"] == "heldout" else 69), one["chapter_id"]


def test_nothing_is_made_twice_and_what_decides_the_rows_decides_the_identity(ray_session, artifacts, corpus, said):
    first = build(artifacts, corpus, said, books=("西*",))
    said.clear()
    assert build(artifacts, corpus, said, books=("西*",), workers=2).id == first.id
    assert [line.split(",")[0] for line in said] == ["tokenizer: nothing changed", "shards: nothing changed"]
    other = build(artifacts, corpus, said, books=("西*",), context=32)
    assert other.id != first.id
    assert open_rows(other.local(), "train").context == 32


def test_a_stage_gets_the_books_it_names_and_hears_of_names_that_are_not_there(ray_session, artifacts, corpus, said):
    shards = build(artifacts, corpus, said, books=("西游记", "水浒传"))
    assert shards.read_json("index.json")["books"] == ["西游记"]
    assert shards.counts["train"]["chapters"] == 4
    assert any("水浒传" in line for line in said)


def test_what_is_known_of_the_chosen_chapters_lies_beside_their_rows(ray_session, artifacts, said):
    told = {**chapter("甲", 0), "genre": "武侠", "labels": ["style=白话", "tone=悲"]}
    corpus = make_corpus(artifacts, [[told, chapter("乙", 0)], [chapter("甲", 1, "heldout")]])
    shards = build(artifacts, corpus, said, books=("甲",))
    known = open_chapters(shards.local()).to_pylist()
    assert [(c["chapter_id"], c["split"], c["genre"], c["labels"]) for c in known] == [
        (told["chapter_id"], "train", "武侠", ["style=白话", "tone=悲"]), (known[1]["chapter_id"], "heldout", "", []),
    ]  # fmt: skip


def test_no_matching_book_names_the_books_and_leaves_nothing_behind(ray_session, artifacts, corpus, said):
    with pytest.raises(CorpusError) as caught:
        build(artifacts, corpus, said, books=("水浒传",))
    assert "红楼梦" in caught.value.hint
    assert not [name for name in artifacts.store.folders("artifacts") if name.startswith("shards")]


def test_no_held_out_chapter_is_allowed_and_said(ray_session, artifacts, corpus, said):
    shards = build(artifacts, corpus, said, books=("短篇",))
    assert open_rows(shards.local(), "heldout") is None
    assert any("no validation loss" in line for line in said)


def test_nothing_left_to_train_on_is_refused(ray_session, artifacts, said):
    corpus = make_corpus(artifacts, [[chapter("甲", 0)], [chapter("乙", 0, "heldout")]])
    with pytest.raises(CorpusError, match="held out"):
        build(artifacts, corpus, said, books=("乙",))


def test_a_damaged_corpus_is_told_by_file_and_nothing_is_left_behind(ray_session, artifacts, corpus, said):
    tokenizer = build_tokenizer(recipe(), artifacts, corpus, said.append).local()
    path = Path(artifacts.store.full(corpus.prefix)) / "chapters/00001.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedError, match=r"chapters/00001.parquet does not match its SHA-256"):
        build_shards(recipe(), artifacts, corpus, tokenizer, "digest", ("*",), said.append)
    with pytest.raises(DamagedError, match=r"chapters/00001.parquet"):
        build_tokenizer(recipe(vocab_size=500), artifacts, corpus, said.append)
    assert not [name for name in artifacts.store.folders("artifacts") if name.startswith("shards")]


def test_a_tokenizer_that_is_not_there_is_refused(ray_session, artifacts, corpus, said, tmp_path):
    with pytest.raises(ModelError, match="There is no tokenizer"):
        build_shards(recipe(), artifacts, corpus, tmp_path / "none", "digest", ("*",), said.append)


def test_the_tokenizer_never_sees_held_out_text(artifacts):
    secret = {**chapter("密", 1, "heldout"), "text": "锦瑟无端五十弦" * 50}
    corpus = make_corpus(artifacts, [[chapter("密", 0), secret, chapter("密", 2)]])
    texts = list(training_texts(corpus))
    assert texts == [chapter("密", 0)["text"], chapter("密", 2)["text"]]
    assert list(training_texts(corpus, most=300)) == texts[:1]

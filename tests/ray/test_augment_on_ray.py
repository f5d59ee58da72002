"""What augmentation promises on Ray: the cap holds, nothing held out is a source, the same bytes come out again."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.augmenting import chapter, stranger, synonyms, table, tiny_translators
from support.tiny import tiny_llama

from novelray.corpus.schema import CHAPTERS
from novelray.errors import CorpusError
from novelray.onray.augment import augment, augment_inputs
from novelray.recipe import Recipe
from novelray.storage import Artifacts, Store

pytestmark = pytest.mark.ray
SHARE = 0.4


def recipe_of(seed=1, share=SHARE, **augment):
    section = {"share": share, **augment}
    return Recipe.model_validate(
        {"name": "test", "seed": seed, "train": {"method": "full"}, "corpus": {"augment": section}}
    )


@pytest.fixture
def store(tmp_path):
    """Two chapter files: a book of 24 chapters, two held out and one like a held-out one, and a book of 12 chapters."""
    store = Store(str(tmp_path / "store"))
    first = [stranger(i) if i in (3, 17) else chapter(i) for i in range(24)]
    first[20] = stranger(17, "train", 0.05, chapter_id=NEAR)
    second = [chapter(i, book="山镇", paragraphs=16) for i in range(30, 42)]
    for number, rows in enumerate((first, second)):
        sink = pa.BufferOutputStream()
        pq.write_table(table(rows), sink)
        store.write(f"c/chapters/{number:05d}.parquet", bytes(sink.getvalue()))
    return store


NEAR = "0123456789ab:00099"  # the training chapter of which another edition is held out
FILES = ["c/chapters/00000.parquet", "c/chapters/00001.parquet"]


def original(store):
    tables = [pq.read_table(pa.BufferReader(store.read(f))) for f in FILES]
    return pa.concat_tables(tables).to_pylist()


def made(store, folder="c/augmented"):
    names = sorted(e.path for e in store.files(folder))
    rows = [
        row
        for name in names if name.endswith(".parquet")
        for row in pq.read_table(pa.BufferReader(store.read(name))).to_pylist()
    ]  # fmt: skip
    return rows, {name: store.read(name) for name in names}


def quiet(line):
    pass


def test_text_methods_fill_the_share_and_never_exceed_it(ray_session, store, tmp_path):
    recipe = recipe_of(
        methods=[{"method": "reorder"}, {"method": "synonyms", "weight": 2, "min_similarity": 0.5}],
        synonyms={"files": [str(synonyms(tmp_path))], "rate": 0.2},
    )
    report = augment(store, FILES, "c/augmented", recipe, quiet)
    rows, files = made(store)
    train = [r for r in original(store) if r["split"] == "train"]
    total = sum(r["chars"] for r in train)
    assert 0.8 * SHARE * total < sum(len(r["text"]) for r in rows) <= SHARE * total
    assert report["chars"] == sum(r["chars"] for r in rows) == sum(m["chars"] for m in report["methods"].values())
    assert {r["origin"] for r in rows} == {"reorder", "synonyms"}
    assert {r["source"] for r in rows} <= {r["chapter_id"] for r in train} - {NEAR}
    assert report["near_heldout"] == 1
    assert {r["split"] for r in rows} == {"train"}
    assert pq.read_schema(pa.BufferReader(files["c/augmented/00000.parquet"])).equals(CHAPTERS)
    assert not [name for name in files if ".parts" in name]
    assert (
        report["methods"]["synonyms"]["examples"][0]["before"] != report["methods"]["synonyms"]["examples"][0]["after"]
    )


def test_a_build_that_goes_on_makes_the_same_bytes_and_no_piece_twice(ray_session, store, tmp_path):
    recipe = recipe_of(methods=[{"method": "reorder"}])
    augment(store, FILES, "c/one", recipe, quiet, parts="cache")
    _, once = made(store, "c/one")
    parts = {e.path: e.modified for e in store.files("cache") if "heldout" not in e.path}
    augment(store, FILES, "c/two", recipe, quiet, parts="cache")
    augment(store, FILES, "c/three", recipe, quiet)
    assert [made(store, f"c/{n}")[1][f"c/{n}/00000.parquet"] for n in ("two", "three")] == [
        once["c/one/00000.parquet"]
    ] * 2
    assert made(store, "c/two")[1]["c/two/00000.jsonl"] == once["c/one/00000.jsonl"]
    assert {e.path: e.modified for e in store.files("cache") if "heldout" not in e.path} == parts != {}
    augment(store, FILES, "c/other", recipe_of(seed=2, methods=[{"method": "reorder"}]), quiet)
    assert made(store, "c/other")[1]["c/other/00000.parquet"] != once["c/one/00000.parquet"]


def test_chapters_come_back_from_translation_in_other_words(ray_session, store, tmp_path, monkeypatch):
    monkeypatch.setattr("novelray.onray.augment.ROUNDS", 1)  # each starts actors, which takes most of the time
    forward, back = tiny_translators(tmp_path / "models")
    pair = {"language": "zh", "forward": str(forward), "back": str(back), "beams": 2}
    recipe = recipe_of(share=0.2, methods=[{"method": "back_translation"}], back_translation=[pair])
    augment(store, FILES[:1], "c/one-book", recipe, quiet, parts="cache")
    answers = {e.path: e.modified for e in store.files("cache/models")}
    assert len(answers) >= 6  # there and back
    report = augment(store, FILES, "c/augmented", recipe, quiet, parts="cache")
    again = {e.path: e.modified for e in store.files("cache/models")}
    assert {path: again[path] for path in answers} == answers  # with one more book, nothing is translated twice
    rows, files = made(store)
    assert report["methods"]["back_translation"]["kept"] == len(rows) > 3
    assert len(again) <= 2 * sum(
        r["source"] not in {p["source"] for p in made(store, "c/one-book")[0]} for r in rows
    ) + len(answers)
    texts = {r["chapter_id"]: r["text"] for r in original(store)}
    for row in rows:
        source = texts[row["chapter_id"].partition("+")[0]]
        assert row["text"].split("\n")[0] == source.split("\n")[0]
        assert row["text"].count("“") == source.count("“")
        assert row["text"] != source
        assert "石阶上的青苔被露水浸得发亮" not in row["text"]
    lines = [json.loads(line) for line in files["c/augmented/00000.jsonl"].decode().splitlines()]
    digests = augment_inputs(recipe, Artifacts(store))
    assert {line["model"] for line in lines} == {
        f"{digests['augment.back_translation.zh.forward']} {digests['augment.back_translation.zh.back']}"
    }
    assert all(line["origin"] == "back_translation" and 0.3 < line["similarity"] < 1 for line in lines)


def test_stories_that_a_model_writes_carry_their_prompt_and_seed(ray_session, store, tmp_path, monkeypatch):
    monkeypatch.setattr("novelray.onray.augment.ROUNDS", 1)
    model = tiny_llama(tmp_path / "llama", context=256)
    recipe = recipe_of(
        methods=[{"method": "synthetic", "min_similarity": 0.0}],
        synthetic={
            "model": str(model), "prompt": "《{book}》{title}：{opening}", "opening_chars": 40, "min_chars": 1,
            "max_chars": 200, "max_tokens": 60, "max_repetition": 1.0,
        },
    )  # fmt: skip
    report = augment(store, FILES, "c/augmented", recipe, quiet)
    counts = report["methods"]["synthetic"]
    assert counts["made"] == counts["kept"] + sum(counts["rejected"].values()) > 0
    rows, files = made(store)
    assert sum(r["chars"] for r in rows) <= SHARE * report["languages"]["zh"]["original"]
    for line in files.get("c/augmented/00000.jsonl", b"").decode().splitlines():
        told = json.loads(line)
        assert told["prompt"].startswith("《")
        assert told["model"].startswith("folder-")
        assert len(told["seed"]) == 16
        assert told["similarity"] >= 0


def test_a_model_that_is_not_there_is_told_before_any_work_starts(store, tmp_path):
    pair = {"language": "zh", "forward": str(tmp_path / "nowhere")}
    recipe = recipe_of(methods=[{"method": "back_translation"}], back_translation=[pair])
    with pytest.raises(CorpusError, match=r"corpus\.augment\.back_translation\.zh\.forward.*nowhere"):
        augment(store, FILES, "c/augmented", recipe, quiet)
    with pytest.raises(CorpusError, match="synonym file"):
        augment_inputs(recipe_of(methods=[{"method": "synonyms"}], synonyms={"files": ["/no/file"]}), Artifacts(store))
    assert store.files("c/augmented") == []


def test_no_share_makes_nothing_and_needs_no_cluster(store):
    report = augment(store, FILES, "c/augmented", recipe_of(share=0.0), quiet)
    assert (report["pieces"], report["files"], store.files("c/augmented")) == (0, [], [])

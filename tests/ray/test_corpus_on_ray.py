"""What the corpus stage promises on Ray: real books in, one artifact out, nothing lost and nothing hidden."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path

import pytest

from novelray.corpus import chapters
from novelray.errors import CorpusError, DiskFullError, StorageError
from novelray.onray.corpus import build_corpus
from novelray.recipe import Recipe
from novelray.storage import Artifacts, Store

pytestmark = pytest.mark.ray

SENTENCE = "那一日天色将晚，众人各自散去，只有他{}一个人坐在灯下，翻看着旧日的书信，不觉已是三更。"
SIGNS = "东风夜放花千树更吹落星如雨宝马雕车香满路凤箫声动玉壶光转一夜鱼龙舞"


def _recipe(*books, seed=1, endpoint=None, **corpus):
    return Recipe.model_validate(
        {
            "name": "test",
            "seed": seed,
            "train": {"method": "full"},
            "storage": {"endpoint": endpoint},
            "corpus": {"books": [str(b) for b in books], **corpus},
        }
    )


def _chapter(number, salt):
    """One that resembles no other."""
    chance = random.Random(f"{number} {salt}")
    body = "".join(SENTENCE.format("".join(chance.choices(SIGNS, k=15))) for _ in range(10))
    return f"第{number}章 {salt}\n\n{body}\n\n"


def _novel(chapters=4, salt=""):
    return "".join(_chapter(number, salt) for number in "一二三四五六七八九"[:chapters])


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "books"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.txt").write_text(_novel(salt=name))
    return folder


def _rows(artifact):
    return [row for batch in chapters(artifact) for row in batch.to_pylist()]


def _nothing_left(artifacts):
    return artifacts.store.files("artifacts") == []


def test_the_three_novels_become_their_340_chapters(ray_session, novels, artifacts):
    lines = []
    artifact = build_corpus(_recipe(novels / "zh"), artifacts, lines.append)
    rows = _rows(artifact)
    assert [(b["book"], b["chapters"]) for b in artifact.read_json("report.json")["books"]] == [
        ("三国演义", 120),
        ("红楼梦", 120),
        ("西游记", 100),
    ]
    assert [r["title"] for r in rows][::170] == ["第一回 宴桃园豪杰三结义 斩黄巾英雄首立功", rows[170]["title"]]
    assert [(r["book"], r["index"]) for r in rows] == sorted((r["book"], r["index"]) for r in rows)
    assert {r["split"] for r in rows if r["book"] == "红楼梦"} == {"train", "heldout"}
    assert artifact.counts["heldout_chapters"] == 17
    total = f"{artifact.counts['chars']:,} characters"
    assert f"corpus: 3 books, 340 chapters, {total}; 17 chapters held out → {artifact.id}" in lines
    assert lines[-1] == f"corpus: the report is {artifact.uri}/report.html"
    assert all(r["arc"] is not None and r["perspective"] and r["scenes"][0] == 0 for r in rows)
    assert not [name for name in artifact.manifest.files if ".work" in name]


def test_the_sample_shelf_shows_each_kind_of_trouble(ray_session, samples, artifacts):
    artifact = build_corpus(_recipe(samples / "zh", samples / "en"), artifacts, lambda line: None)
    report = artifact.read_json("report.json")
    assert len(report["quarantine"]) == 1
    assert len(report["duplicates"]["chapters"]) == 2
    assert {"utf-8", "gb18030", "latin-1"} <= {b["encoding"] for b in report["books"]}
    assert {"zh", "en"} == set(report["languages"])
    assert all(b["chapters"] >= 3 and b["confidence"] > 0.9 for b in report["books"])


def test_the_same_books_are_not_built_twice_wherever_they_lie(ray_session, shelf, artifacts, tmp_path):
    first = build_corpus(_recipe(shelf), artifacts, lambda line: None)
    shutil.copytree(shelf, tmp_path / "moved")
    lines = []
    again = build_corpus(_recipe(*sorted((tmp_path / "moved").glob("*.txt"), reverse=True)), artifacts, lines.append)
    assert again.id == first.id
    assert lines[0].startswith(f"corpus: nothing changed, using {first.id}")
    assert build_corpus(_recipe(shelf, seed=2), artifacts, lambda line: None).id != first.id
    (shelf / "a.txt").write_text(_novel(salt="changed"))
    assert build_corpus(_recipe(shelf), artifacts, lambda line: None).id != first.id


def test_two_builds_of_the_same_books_have_the_same_content(ray_session, shelf, artifacts, tmp_path):
    other = Artifacts(Store(str(tmp_path / "other")))
    digests = [build_corpus(_recipe(shelf), a, lambda line: None).manifest.digest() for a in (artifacts, other)]
    assert digests[0] == digests[1]


def test_an_unreadable_book_is_set_aside_with_its_reason_and_the_rest_goes_on(ray_session, shelf, artifacts):
    (shelf / "torn.txt").write_bytes(b"\x00\x01\x02" * 400)
    lines = []
    artifact = build_corpus(_recipe(shelf, max_quarantine=0.25), artifacts, lines.append)
    record = json.loads(artifact.read("quarantine.jsonl"))
    assert (record["file"], "binary" in record["reason"]) == ("torn.txt", True)
    assert "set aside torn.txt" in lines[0]
    assert artifact.counts["quarantined"] == 1
    assert {r["book"] for r in _rows(artifact)} == {"a", "b", "c"}


def test_too_many_unreadable_books_stop_the_stage_and_nothing_is_left_behind(ray_session, shelf, artifacts):
    (shelf / "torn.txt").write_bytes(b"\x00\x01\x02" * 400)
    with pytest.raises(CorpusError, match=r"1 of 4 books cannot be read.*torn\.txt") as error:
        build_corpus(_recipe(shelf, max_quarantine=0.2), artifacts, lambda line: None)
    assert "corpus.max_quarantine" in error.value.hint
    assert _nothing_left(artifacts)


def test_duplicates_are_removed_and_the_kept_copy_is_named(ray_session, shelf, artifacts):
    (shelf / "d.txt").write_text(_novel(2, salt="a") + _novel(5, salt="d").replace("第", "\n第", 1))
    artifact = build_corpus(_recipe(shelf), artifacts, lambda line: None)
    report = artifact.read_json("report.json")
    kept = {r["chapter_id"] for r in _rows(artifact)}
    assert len(report["duplicates"]["chapters"]) == 2
    assert all(pair["kept"] in kept and pair["removed"] not in kept for pair in report["duplicates"]["chapters"])
    digests = [r["digest"] for r in _rows(artifact)]
    assert len(digests) == len(set(digests))


def test_another_digitisation_and_another_script_are_found_and_one_edition_is_kept(ray_session, novels, artifacts):
    books = [novels / "zh" / "三国演义.txt", novels / "zh-hant" / "三國志演義.txt", novels / "zh" / "红楼梦.txt"]
    artifact = build_corpus(_recipe(*books), artifacts, lambda line: None)
    assert {(r["book"]) for r in _rows(artifact)} == {"三国演义", "红楼梦"}
    [pair] = artifact.read_json("report.json")["duplicates"]["books"]
    assert (pair["kept"], pair["other"], pair["removed"]) == ("三国演义", "三國志演義", 120)


def test_one_more_book_is_only_that_books_work(ray_session, shelf, artifacts):
    build_corpus(_recipe(shelf), artifacts, lambda line: None)
    store = artifacts.store
    before = {e.path: (Path(store.full(e.path)).stat().st_mtime_ns) for e in store.files("parts/corpus")}
    (shelf / "d.txt").write_text(_novel(salt="d"))
    lines = []
    artifact = build_corpus(_recipe(shelf), artifacts, lines.append)
    assert lines[0] == "corpus: 3 of 4 files were read by an earlier build"
    after = {e.path: (Path(store.full(e.path)).stat().st_mtime_ns) for e in store.files("parts/corpus")}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 3
    assert {r["book"] for r in _rows(artifact)} == set("abcd")


def test_the_examples_of_changes_name_persons_as_the_chapters_do(ray_session, shelf, artifacts):
    for seed in (1, 2):
        (shelf / "a.txt").write_text(_novel(salt="a") + "（译者注:此处从旧本,译者:王小明）\n")
        artifact = build_corpus(_recipe(shelf, seed=seed, privacy={"people": "mask"}), artifacts, lambda line: None)
        texts = "".join(row["text"] for row in _rows(artifact))
        note = re.search(r"（译者注：此处从旧本，译者：.+?）", texts).group()
        assert "王小明" not in note
        shown = [e["after"] for e in artifact.read_json("report.json")["examples"]["changes"]]
        assert any(note in after for after in shown), (note, shown)


def test_the_report_shows_what_was_changed_and_nobodys_number(ray_session, shelf, artifacts):
    (shelf / "a.txt").write_text(_novel(salt="a") + "他说:好,电话13812345678给我.\n")
    artifact = build_corpus(_recipe(shelf), artifacts, lambda line: None)
    report = artifact.read_json("report.json")
    assert any("他说：好" in example["after"] for example in report["examples"]["changes"])
    assert report["privacy"] == {"phone": 1}
    page = artifact.read("report.html").decode()
    assert "他说" in page
    assert "13812345678" not in page + json.dumps(report) + "".join(r["text"] for r in _rows(artifact))


def test_whole_books_are_held_out(ray_session, shelf, artifacts):
    artifact = build_corpus(_recipe(shelf, heldout={"by": "book", "books": ["b"]}), artifacts, lambda line: None)
    assert {(r["book"], r["split"]) for r in _rows(artifact)} == {("a", "train"), ("b", "heldout"), ("c", "train")}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"min_chapter_chars": 100_000}, "nothing to train on"),
        ({"heldout": {"by": "book", "books": ["*"]}}, "nothing to train on"),
        ({"heldout": {"by": "book", "books": ["z"]}}, "'z'"),
    ],
)
def test_a_corpus_with_nothing_to_train_on_is_an_error(ray_session, shelf, artifacts, settings, message):
    with pytest.raises(CorpusError, match=message):
        build_corpus(_recipe(shelf, **settings), artifacts, lambda line: None)
    assert _nothing_left(artifacts)


def test_a_missing_folder_is_named_before_ray_is_needed(tmp_path, artifacts):
    with pytest.raises(CorpusError, match="no-such-folder") as error:
        build_corpus(_recipe(tmp_path / "no-such-folder"), artifacts, lambda line: None)
    assert "every node" in error.value.hint


def test_an_error_of_storage_inside_a_task_reaches_the_user_as_it_is(ray_session, shelf, tmp_path):
    root = tmp_path / "store"
    (root / "artifacts").mkdir(parents=True)
    artifacts = Artifacts(Store(str(root)))
    blocker = root / "artifacts"
    shutil.rmtree(blocker)
    blocker.write_text("a file where the folder of artifacts should be")
    with pytest.raises(StorageError) as error:
        build_corpus(_recipe(shelf), artifacts, lambda line: None)
    assert type(error.value) in (StorageError, DiskFullError)
    assert "Traceback" not in str(error.value)

"""The pieces of a file: what they inherit, how they say where they come from, which are rejected and why."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.augmenting import chapter, stranger, synonyms, table

from novelray.corpus.augment import Thesaurus, Tools, load_thesaurus, make_unit
from novelray.corpus.augment.check import share_found
from novelray.corpus.augment.piece import excerpts
from novelray.corpus.augment.story import as_story, fill, opening
from novelray.corpus.dedup import text_digest
from novelray.corpus.schema import CHAPTERS
from novelray.onray.augment_memory import remembered_translate, remembered_write
from novelray.onray.augment_models import Resources
from novelray.onray.augment_tasks import find_in_file, find_near, list_file, make_part
from novelray.recipe.augment import AugmentSection
from novelray.storage import Store

ROWS = [chapter(i, labels=[f"genre={i}"], perspective="first person", scenes=[0, 160]) for i in range(6)]


def section(method, **more):
    needs = {
        "synonyms": {"synonyms": {"files": ["list"], "rate": 0.3}},
        "back_translation": {"back_translation": [{"language": "zh", "forward": "model"}]},
        "synthetic": {"synthetic": {"model": "model", "min_chars": 20, **more.pop("synthetic", {})}},
    }
    limits = {"min_similarity": 0.0, "max_similarity": 1.0, "max_copied": 1.0, **more}
    return AugmentSection.model_validate(
        {"share": 0.5, "methods": [{"method": method, **limits}], **needs.get(method, {})}
    )


def made(method, tools=None, rows=ROWS, longest=10_000, seed=1, **more):
    jobs = [(method, row["chapter_id"]) for row in rows]
    return make_unit(table(rows), jobs, section(method, **more), seed, longest, tools or Tools()).to_pylist()


def reworded(sentences):
    return [s.replace("。", "了。").replace("雾气", "薄雾") for s in sentences]


@pytest.fixture(scope="module")
def tools(tmp_path_factory):
    thesaurus = load_thesaurus((str(synonyms(tmp_path_factory.mktemp("list"))),))
    return Tools(thesaurus, {"zh": (list, reworded)}, lambda prompts, seeds: [f"{p}{STORY}" for p in prompts])


STORY = stranger(77)["text"]


@pytest.mark.parametrize("method", ["reorder", "synonyms", "back_translation"])
def test_a_piece_says_what_it_was_made_from_and_how_and_is_a_chapter_of_the_corpus(tools, method):
    for source, piece in zip(ROWS, made(method, tools), strict=True):
        assert (piece["origin"], piece["source"]) == (method, source["chapter_id"])
        assert piece["chapter_id"] == f"{source['chapter_id']}+{method.replace('back_translation', 'b')[0]}1"
        assert (piece["reason"], piece["split"], len(piece["seed"])) == ("", "train", 16)
        assert {n: piece[n] for n in ("book", "author", "genre", "title", "index", "labels", "perspective")} == {
            n: source[n] for n in ("book", "author", "genre", "title", "index", "labels", "perspective")
        }
        assert piece["text"].startswith(source["title"])
        assert piece["text"] != source["text"]
        assert piece["chars"] == len(piece["text"])
        assert piece["digest"] == text_digest(piece["text"].removeprefix(source["title"]))
        assert 0 < piece["similarity"] <= 1
        assert piece["before"] != piece["after"]
        assert piece["before"] in source["text"]
        assert piece["after"] in piece["text"]


@pytest.mark.parametrize("method", ["reorder", "synonyms", "back_translation"])
def test_the_scenes_of_a_piece_begin_where_its_scenes_do(tools, method):
    (piece,) = made(method, tools, ROWS[:1])
    assert piece["scenes"][0] == 0
    assert len(piece["scenes"]) == 2
    tail, source = piece["text"][piece["scenes"][1] :], ROWS[0]["text"][160:]
    assert sorted(tail) == sorted(source) or method != "reorder"
    assert abs(len(tail) - len(source)) < 40


def test_the_seed_and_nothing_else_decides_a_piece(tools):
    assert made("synonyms", tools) == made("synonyms", tools)
    assert made("synonyms", tools, seed=2) != made("synonyms", tools)
    alone = make_unit(table(ROWS), [("synonyms", ROWS[3]["chapter_id"])], section("synonyms"), 1, 10_000, tools)
    assert alone.to_pylist() == [made("synonyms", tools)[3]]


@pytest.mark.parametrize(
    ("method", "options", "reason"),
    [
        ("synonyms", {"min_similarity": 0.999}, "its meaning changed"),
        ("reorder", {"max_copied": 0.01}, "too much like its source"),
        ("synonyms", {"max_similarity": 0.3}, "too much like its source"),
        ("back_translation", {"min_similarity": 0.999}, "its meaning changed"),
        ("reorder", {"longest": 100}, "longer than a chapter may be"),
    ],
)
def test_a_piece_that_fails_a_check_has_no_text_and_a_reason(tools, method, options, reason):
    rows = [r for r in made(method, tools, **options) if r["reason"]]
    assert rows
    assert {(r["reason"], r["text"]) for r in rows} == {(reason, "")}


def test_where_nothing_changes_there_is_no_piece():
    assert {r["reason"] for r in made("synonyms", Tools(Thesaurus(zh={"不在": ("文中",)})))} == {"nothing to change"}


def test_a_story_has_its_prompt_and_what_it_was_made_from_and_only_its_own_text(tools):
    writer = Tools(write=lambda prompts, seeds: [STORY for _ in prompts])
    for source, piece in zip(ROWS, made("synthetic", writer), strict=True):
        assert (piece["reason"], piece["source"], piece["labels"]) == ("", source["chapter_id"], [])
        assert piece["text"] == STORY
        assert source["text"].partition("\n")[2].startswith(piece["prompt"])
        assert 0 <= piece["similarity"] < 0.2
        assert len(piece["sketch"]) > 20


@pytest.mark.parametrize(
    ("story", "options", "reason"),
    [
        ("短。", {}, "too short"),
        ("", {}, "too short"),
        ("The rain fell on the town and it was the end of the day for her.", {}, "in another language"),
        ("雾气升起来了，船也走了。" * 40, {}, "repeats itself"),
        (STORY, {"min_similarity": 0.5}, "its meaning changed"),
        (STORY, {"max_similarity": 0.0}, "too much like its source"),
    ],
)
def test_a_story_that_is_none_is_rejected_with_why(story, options, reason):
    (piece,) = made("synthetic", Tools(write=lambda prompts, seeds: [story]), ROWS[:1], **options)
    assert (piece["reason"], piece["text"]) == (reason, "")


def test_a_story_ends_with_a_whole_sentence_and_a_prompt_too():
    assert as_story("  雨停了。\n\n\n\n他走了。路上没", 100) == "雨停了。\n\n他走了。"
    assert as_story("雨停了。他走了。路上没人。", 9) == "雨停了。他走了。"
    assert as_story("没有句号", 100) == ""
    assert opening("第一章\n雨停了。他走了。", "第一章", 6) == "雨停了。"
    chosen = {"text": "第一章\n雨停了。", "title": "第一章", "book": "河镇"}
    assert fill("《{book}》{{续}}：{opening}", chosen, 20) == "《河镇》{续}：雨停了。"


@given(st.text(max_size=300), st.text(max_size=300), st.integers(0, 300))
def test_excerpts_are_passages_that_show_the_first_difference(same, other, at):
    before, after = excerpts(same, same[:at] + other)
    assert before in same
    assert after in same[:at] + other


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "store"))
    rows = {
        "a": [stranger(1), stranger(2, "train"), stranger(1, "train", 0.05, chapter_id="aaaaaaaaaaaa:00099")],
        "b": [stranger(4), stranger(5, "train"), stranger(6, "train")],
    }
    for name, found in rows.items():
        sink = pa.BufferOutputStream()
        pq.write_table(table(found), sink)
        store.write(f"{name}.parquet", bytes(sink.getvalue()))
    return store


def story_part(store, text):
    tools = Tools(write=lambda prompts, seeds: [text for _ in prompts])
    jobs = [["synthetic", stranger(2)["chapter_id"]]]
    row = {"file": "a.parquet", "jobs": jobs, "part": "part.parquet"}
    (piece,) = make_part(row, store, section("synthetic"), 1, 10_000, Resources(), tools)["pieces"]
    found = [find_in_file({"file": f"{name}.parquet"}, store, ["part.parquet"])["found"] for name in "ab"]
    return share_found(piece["sketch"], {h for one in found for h in one})


@pytest.mark.parametrize("of", [4, 5])
def test_a_story_that_copies_a_chapter_of_the_corpus_is_found_held_out_or_not(store, of):
    copy = stranger(of)["text"][300:600]
    assert story_part(store, copy) > 0.9
    store.delete("part.parquet")
    assert 0.2 < story_part(store, f"{stranger(70)['text'][:500]}\n{copy}") < 0.6
    store.delete("part.parquet")
    assert story_part(store, stranger(71)["text"]) == 0.0


def test_a_chapter_like_a_held_out_one_is_found_in_whichever_file_it_lies(store):
    listed = [list_file({"file": f"{name}.parquet"}, store, "parts") for name in "ab"]
    paths = [found["trace"] for found in listed]
    assert find_near({"file": "a.parquet"}, store, paths) == {"near": ["aaaaaaaaaaaa:00099"]}
    assert find_near({"file": "b.parquet"}, store, paths) == {"near": []}
    assert listed[0]["chapters"][0] == {n: listed[0]["chapters"][0][n] for n in (
        "chapter_id", "split", "language", "chars", "digest", "origin", "stamp")}  # fmt: skip


@pytest.mark.parametrize("change", [{"labels": ["genre=x"]}, {"split": "heldout"}, {"genre": "x"}, {"text": "x"}])
def test_a_chapters_stamp_changes_with_all_that_pieces_have_of_it(store, change):
    def stamp(row):
        sink = pa.BufferOutputStream()
        pq.write_table(table([row]), sink)
        store.write("c.parquet", bytes(sink.getvalue()))
        return list_file({"file": "c.parquet"}, store, "parts")["chapters"][0]["stamp"]

    assert stamp(ROWS[0]) == stamp(dict(ROWS[0])) != stamp({**ROWS[0], **change})


def test_a_part_that_is_there_is_not_made_again(store):
    row = {"file": "a.parquet", "jobs": [["reorder", stranger(2)["chapter_id"]]], "part": "part.parquet"}
    options = {"section": section("reorder"), "seed": 1, "longest": 10_000, "resources": Resources()}
    first = make_part(row, store, **options)
    store.delete("a.parquet")
    assert make_part(row, store, **options) == first
    assert CHAPTERS.names == pq.read_schema(pa.BufferReader(store.read("part.parquet"))).names[: len(CHAPTERS)]


def test_what_a_model_answered_is_asked_once_and_a_model_that_is_not_asked_is_not_loaded(store):
    asked = []

    def load():
        asked.append("loaded")
        return lambda sentences: asked.append(tuple(sentences)) or [s.upper() for s in sentences]

    translate = remembered_translate(load, store, "models", "m1")
    assert [translate(["a\ud83d", "雾"]) for _ in range(3)] == [["A\ud83d", "雾"]] * 3
    assert asked == ["loaded", ("a\ud83d", "雾")]
    assert remembered_translate(lambda: 1 / 0, store, "models", "m1")(["a\ud83d", "雾"]) == ["A\ud83d", "雾"]
    with pytest.raises(ZeroDivisionError):
        remembered_translate(lambda: 1 / 0, store, "models", "another model")(["a\ud83d", "雾"])


def test_of_stories_only_those_that_are_new_are_written(store):
    asked = []

    def write(prompts, seeds):
        asked.extend(zip(prompts, seeds, strict=True))
        return [f"{prompt}{seed}" for prompt, seed in zip(prompts, seeds, strict=True)]

    remembered = remembered_write(lambda: write, store, "models", "m1")
    assert remembered(["a", "b"], [1, 2]) == ["a1", "b2"]
    assert remembered(["c", "b", "a"], [3, 2, 9]) == ["c3", "b2", "a9"]
    assert asked == [("a", 1), ("b", 2), ("c", 3), ("a", 9)]

import csv
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from novelray.cli.main import main
from novelray.corpus.shelf import find_books
from novelray.onray.corpus import plan_of
from novelray.recipe import load_recipe
from novelray.storage import Artifacts, Store

HELPERS = Path(__file__).parents[1] / "corpus" / "labels" / "label_corpus.py"
LAYERS = [
    {"name": "genre", "labels": ["武侠", "言情"], "unit": "chapter"},
    {"name": "plot", "kind": "sequence", "labels": ["setup", "climax"], "after": "genre=武侠"},
]
BOOK = "第一章 下山\n少年提剑下山。\n"


def build(*arguments):
    spec = importlib.util.spec_from_file_location("label_corpus", HELPERS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.corpus(*arguments)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "book.txt").write_text(BOOK, "utf-8")
    write(tmp_path)
    return tmp_path


def write(folder, **labels):
    labels = {"layers": LAYERS, "files": ["answers*.json"], "min_common": 3, **labels}
    recipe = {
        "name": "tale", "storage": {"root": "./store"}, "train": {"method": "full"},
        "corpus": {"books": ["book.txt"], "labels": labels},
    }  # fmt: skip
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")


@pytest.fixture
def corpus(folder):
    """The id of a corpus that is known by what the corpus stage would know it by."""
    recipe, artifacts = load_recipe(folder / "recipe.yaml"), Artifacts(Store(str(folder / "store")))
    plan = plan_of(recipe, find_books(recipe.corpus.books), artifacts)
    return build(artifacts, plan.inputs, json.loads(json.dumps(plan.section))).id


def labels(folder, verb, *options):
    return main(["labels", verb, str(folder / "recipe.yaml"), *options])


def answer(folder, one, two, name="answers.json"):
    """Ann and Bo answer the exported tasks: each a list of genres, taken in turn."""
    tasks = json.loads((folder / "out" / "genre.json").read_text("utf-8"))
    for at, task in enumerate(tasks):
        task["id"] = at
        task["annotations"] = [
            {"completed_by": {"email": f"{who}@example.org"}, "was_cancelled": False, "ground_truth": False, "result": [
                {"id": "c", "from_name": "genre", "to_name": "text", "type": "choices",
                 "value": {"choices": [genres[at % len(genres)]]}}]}
            for who, genres in (("ann", one), ("bo", two))
        ]  # fmt: skip
    (folder / name).write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")


def exported(folder, corpus):
    assert labels(folder, "export", "--corpus", corpus, "--out", str(folder / "out"), "--sample", "12") == 0


def test_tasks_and_the_projects_configuration_are_written(folder, corpus, capsys):
    exported(folder, corpus)
    assert sorted(p.name for p in (folder / "out").iterdir()) == ["genre.config.xml", "genre.json"]
    assert "12 texts of 3 books for the layer 'genre'" in capsys.readouterr().out
    assert json.loads((folder / "out" / "genre.json").read_text("utf-8"))[0]["data"]["corpus"] == corpus


def test_doccano_gets_a_file_for_each_annotator(folder, corpus):
    options = ("--to", "doccano", "--annotator", "ann", "--annotator", "bo", "--overlap", "0.5")
    assert labels(folder, "export", "--corpus", corpus, "--out", str(folder / "out"), "--sample", "4", *options) == 0
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "genre-ann.jsonl", "genre-bo.jsonl", "genre.labels.json"
    ]  # fmt: skip


def test_agreement_shows_kappa_for_each_label_and_pair_and_what_is_used(folder, corpus, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    exported(folder, corpus)
    answer(folder, ["武侠", "言情", "武侠"], ["武侠", "言情", "言情"])
    capsys.readouterr()
    assert labels(folder, "agreement", "--corpus", corpus, "--disagreements", str(folder / "d.csv")) == 0
    shown = capsys.readouterr().out
    assert "ann · bo" in shown
    assert "0.40 (12)" in shown
    assert "mean kappa 0.40 is below 0.60" in shown
    rows = list(csv.DictReader((folder / "d.csv").read_text("utf-8-sig").splitlines()))
    assert len(rows) == 4
    assert {row["values"] for row in rows} == {"ann: 武侠; bo: 言情"}


def test_agreement_is_printed_as_json_for_programs(folder, corpus, capsys):
    exported(folder, corpus)
    answer(folder, ["武侠", "言情"], ["武侠", "言情"])
    capsys.readouterr()
    assert labels(folder, "agreement", "--corpus", corpus, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["layers"][0]["kappa"][0] == {
        "label": "(all labels)", "annotators": ["ann", "bo"], "common": 12, "kappa": 1.0, "agreement": 1.0, "f1": None,
    }  # fmt: skip
    assert report["labelled_chapters"] == 12


def test_the_detail_layer_waits_for_the_first_and_then_gets_its_texts(folder, corpus, capsys):
    exported(folder, corpus)
    detail = ("export", "--corpus", corpus, "--out", str(folder / "detail"), "--layer", "plot")
    assert labels(folder, *detail) == 2
    assert "It comes after 'genre=武侠'" in capsys.readouterr().err
    answer(folder, ["武侠", "言情"], ["武侠", "言情"])
    assert labels(folder, *detail, "--sample", "5") == 0
    tasks = json.loads((folder / "detail" / "plot.json").read_text("utf-8"))
    settled = {t["data"]["chapter_id"] for t in json.loads((folder / "answers.json").read_text("utf-8"))[::2]}
    assert len(tasks) == 5
    assert {task["data"]["chapter_id"] for task in tasks} <= settled


def test_the_recipes_own_corpus_is_found_though_label_files_and_layers_changed_since(folder, corpus, capsys):
    write(folder, min_kappa=0.2, layers=LAYERS[:1])
    assert labels(folder, "export", "--out", str(folder / "out"), "--sample", "1") == 0
    assert json.loads((folder / "out" / "genre.json").read_text("utf-8"))[0]["data"]["corpus"] == corpus


def test_a_corpus_of_another_section_or_of_other_books_is_not_the_recipes(folder, corpus, capsys):
    assert labels(folder, "export", "--out", str(folder / "one"), "--set", "corpus.min_chapter_chars=3") == 2
    (folder / "book.txt").write_text(f"{BOOK}第二章 上山\n少年上山。\n", "utf-8")
    assert labels(folder, "export", "--out", str(folder / "two")) == 2
    assert capsys.readouterr().err.count("There is no corpus of this recipe") == 2


def test_too_few_texts_in_common_are_told_when_they_are_handed_out_and_not_weeks_later(folder, corpus, capsys):
    people = ("--annotator", "ann", "--annotator", "bo", "--annotator", "cy")
    assert labels(folder, "export", "--sample", "12", *people, "--overlap", "0.5", "--out", str(folder / "few")) == 0
    assert "no two annotators get more than 2 of them in common" in capsys.readouterr().out
    assert labels(folder, "export", "--sample", "12", *people, "--overlap", "1", "--out", str(folder / "more")) == 0
    assert "in common" not in capsys.readouterr().out


def test_without_a_corpus_export_says_what_to_run(folder, capsys):
    assert labels(folder, "export", "--out", str(folder / "out")) == 2
    assert "novelray corpus" in capsys.readouterr().err


def test_a_bad_label_file_is_told_and_the_rest_is_measured(folder, corpus, capsys):
    exported(folder, corpus)
    answer(folder, ["武侠", "言情"], ["武侠", "言情"])
    (folder / "answers-torn.json").write_text('[{"id": 1, "data"', "utf-8")
    capsys.readouterr()
    assert labels(folder, "agreement", "--corpus", corpus) == 0
    shown = capsys.readouterr().out
    assert "set aside answers-torn.json: torn or not valid JSON" in shown
    assert "12 texts by ann, bo; agreement: 12" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("export", "--layer", "mood"), "There is no layer 'mood'"),
        (("export", "--annotator", "../x"), "cannot be part of a file's name"),
        (("export", "--corpus", "corpus-none"), "There is no artifact corpus-none"),
        (("agreement", "--disagreements", "d.xlsx"), "neither .csv nor .jsonl"),
    ],
)
def test_what_cannot_be_done_is_explained(folder, corpus, capsys, options, said):
    more = () if "--corpus" in options else ("--corpus", corpus)
    assert labels(folder, *options, *more) == 2
    assert said in capsys.readouterr().err


def test_a_recipe_that_asks_nothing_is_told_so(folder, capsys):
    write(folder, layers=[], files=[])
    assert labels(folder, "agreement") == 2
    assert "corpus.labels.layers is empty" in capsys.readouterr().err


def test_no_ray_is_needed(folder, corpus):
    code = (
        "import sys; from novelray.cli.main import main;"
        f"main(['labels', 'agreement', {str(folder / 'recipe.yaml')!r}, '--corpus', {corpus!r}]);"
        "sys.exit('ray' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0

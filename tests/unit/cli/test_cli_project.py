"""`init`, `recipe` and `trace`."""

import json

import pytest

from novelray.cli.main import main
from novelray.recipe import load_recipe
from novelray.storage import Artifacts, Plan, Store


@pytest.fixture
def project(tmp_path):
    assert main(["init", str(tmp_path / "My Novel 我的书")]) == 0
    return tmp_path / "My Novel 我的书"


def test_init_makes_a_recipe_that_loads_and_books_that_it_finds(project, samples):
    recipe = load_recipe(project / "recipe.yaml")
    assert recipe.name == "my-novel"
    assert recipe.corpus.books == (str(project / "books"),)
    assert {p.name for p in (project / "books").iterdir()} == {p.name for p in samples.rglob("*.txt")}
    assert "novelray run recipe.yaml" in (project / "README.md").read_text()


def test_init_refuses_a_folder_with_anything_in_it_and_writes_nothing(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("keep")
    assert main(["init", str(tmp_path)]) == 2
    assert "not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_init_takes_an_empty_folder_that_is_there(tmp_path):
    assert main(["init", str(tmp_path)]) == 0
    assert (tmp_path / "recipe.yaml").is_file()


def test_init_where_a_file_is_says_so(tmp_path, capsys):
    (tmp_path / "a").write_text("")
    assert main(["init", str(tmp_path / "a" / "b")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_recipe_check_says_right_or_names_the_key(project, capsys):
    path = str(project / "recipe.yaml")
    assert main(["recipe", "check", path]) == 0
    assert main(["recipe", "check", path, "--set", "train.epoch=3"]) == 2
    assert "epochs" in capsys.readouterr().err


def test_recipe_show_prints_a_recipe_that_means_the_same(project, tmp_path, capsys):
    assert main(["recipe", "show", str(project / "recipe.yaml"), "--set", "seed=9"]) == 0
    shown = tmp_path / "shown.yaml"
    shown.write_text(capsys.readouterr().out.partition("\nname:")[0] or "")
    main(["recipe", "show", str(project / "recipe.yaml"), "--set", "seed=9"])
    shown.write_text(capsys.readouterr().out)
    assert load_recipe(shown) == load_recipe(project / "recipe.yaml", ["seed=9"])


def test_recipe_schema_is_json_and_reference_explains_a_key(capsys):
    assert main(["recipe", "schema"]) == 0
    assert "train" in json.loads(capsys.readouterr().out)["properties"]
    assert main(["recipe", "reference"]) == 0
    assert "learning_rate" in capsys.readouterr().out


def test_trace_shows_the_chain_down_to_the_books(tmp_path, capsys):
    artifacts = Artifacts(Store(str(tmp_path)))
    draft = artifacts.begin(Plan("corpus", 1, {"books": "ab" * 32}))
    draft.write("x", b"1")
    corpus = draft.commit({"chapters": 7})
    draft = artifacts.begin(Plan("shards", 1, {"corpus": corpus.id}))
    draft.write("y", b"2")
    shards = draft.commit()
    assert main(["trace", shards.id, "--storage", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(shards.id)
    assert f"corpus: {corpus.id}" in lines[1]
    assert "chapters 7" in lines[1]
    assert "books: " + "ab" * 32 in lines[2]


def test_trace_of_an_unknown_artifact_is_a_clear_error(tmp_path, capsys):
    assert main(["trace", "model-0", "--storage", str(tmp_path)]) == 2
    assert "no artifact model-0" in capsys.readouterr().err

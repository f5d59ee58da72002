"""The generated reference page and JSON Schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from novelray.recipe import Recipe, dump_recipe, load_recipe
from novelray.recipe.compatibility import RULES
from novelray.recipe.explain import all_keys
from novelray.recipe.reference import SCHEMA_HINT, json_schema, main, markdown
from novelray.recipe.yamlfile import parse

ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "jobs" / "recipes").glob("*.yaml"))
VALIDATOR = jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("name", ["recipe.md", "recipe.schema.json"])
def test_the_files_in_docs_are_what_the_schema_says(tmp_path, name):
    main(tmp_path)
    assert (ROOT / "docs" / name).read_text("utf-8") == (tmp_path / name).read_text("utf-8"), "run: make docs"


def test_every_key_is_on_the_page_with_a_docstring():
    page = markdown()
    keys = set(all_keys())
    for dotted in keys:
        inherited = dotted.startswith("train.stages.") and dotted.replace("train.stages.", "train.") in keys
        assert inherited or f"`{dotted}`" in page.replace("[].", "."), dotted
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows
    for row in rows:
        assert len(row.rstrip("| ").replace("\\|", "").split("|")[-1].strip()) > 10, f"no docstring: {row}"


def test_every_rule_is_on_the_page_without_placeholders():
    page = markdown()
    for rule in RULES:
        assert f"| {rule.name} |" in page
    assert "{r." not in page
    assert "{s." not in page


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_recipes_load_and_pass_the_json_schema(path):
    load_recipe(path)
    VALIDATOR.validate(parse(path.read_text("utf-8")))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_recipes_point_editors_at_the_schema(path):
    first = path.read_text("utf-8").splitlines()[0]
    assert first.startswith(SCHEMA_HINT)
    assert (path.parent / first.removeprefix(SCHEMA_HINT)).resolve() == (ROOT / "docs" / "recipe.schema.json").resolve()


def test_a_dumped_recipe_passes_the_json_schema():
    recipe = Recipe.model_validate({"name": "t", "train": {"method": "full", "stages": [{"name": "a"}]}})
    VALIDATOR.validate(yaml.safe_load(dump_recipe(recipe)))


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("name: a", True),
        ("name: a\ntrain:\nserve:\n", True),
        ("name: a\nserve: {port: '${PORT:-8000}'}", True),
        ("name: a\nserve: {port: many}", False),
        ("name: a\nserve: {prt: 1}", False),
        ("name: a\nserve: {port: 70000}", False),
        ("name: a\ntrain: {method: prompt}", False),
        ("train: {}", False),
        ("name: A B", False),
    ],
)
def test_the_json_schema_agrees_with_what_a_file_may_say(text, valid):
    assert VALIDATOR.is_valid(yaml.safe_load(text)) is valid


def test_the_json_schema_is_json_and_has_no_marks_of_ours():
    text = json.dumps(json_schema())
    assert '"identity"' not in text

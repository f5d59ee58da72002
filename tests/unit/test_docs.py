"""What the documentation says is there: commands parse, paths and links exist, both READMEs say the same."""

from __future__ import annotations

import ast
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from novelray.cli.main import app
from novelray.recipe import Recipe, load_recipe

ROOT = Path(__file__).parents[2]
READMES = (ROOT / "README.md", ROOT / "README.zh-CN.md")
PAGES = sorted([*READMES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
TEMPLATE = ROOT / "novelray" / "cli" / "template" / "README.md"
FOLDERS = ("novelray", "jobs", "serve", "cluster", "tests", "benchmarks", "docs")

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
COMMENT = re.compile(r"(?:^|\s+)# .*$")
PATH = re.compile(rf"(?:\.\./)?((?:{'|'.join(FOLDERS)})/[\w./*-]*)")
NOVELRAY = typer.main.get_command(app)


def prose(text: str) -> str:
    return FENCE.sub("", text)


def blocks(path: Path) -> list[tuple[str, str]]:
    """(language, content) of each fenced block."""
    return [(m[1], m[2]) for m in FENCE.finditer(path.read_text("utf-8"))]


def commands(text: str) -> Iterator[tuple[str, bool]]:
    """`novelray ...` in a page's text: what follows the word, and whether it stands in prose, as a mention may."""
    for block in FENCE.finditer(text):
        for line in block[2].splitlines():
            # Blocks without a language explain a command after two spaces or more.
            line = COMMENT.sub("", line) if block[1] else re.split(r"\s{2,}", line.strip())[0]
            for part in line.split("&&"):
                if found := re.match(r"\s*(?:\w+=\S+ )*novelray (.*)", part):
                    yield found[1], False
    for code in INLINE.finditer(prose(text)):
        if found := re.fullmatch(r"(?:\w+=\S+ )*novelray (.*)", code[1]):
            yield found[1], True


def complaint(line: str, mention: bool) -> str | None:
    """What the command line says about the arguments, without running anything. A mention may leave arguments out."""
    command, context, arguments, name = NOVELRAY, None, shlex.split(line), "novelray"
    try:
        while True:
            context = command.make_context(name, list(arguments), parent=context)
            if not hasattr(command, "resolve_command"):
                return None
            rest = [*getattr(context, "_protected_args", ()), *context.args]
            if not rest:
                return None if mention else "no verb"
            name, command, arguments = command.resolve_command(context, rest)
    except Exception as error:
        if mention and type(error).__name__ in ("MissingParameter", "NoArgsIsHelpError"):
            return None
        return f"novelray {line}: {getattr(error, 'message', error)}"


@pytest.mark.parametrize("page", [*PAGES, TEMPLATE], ids=lambda p: p.name)
def test_every_command_on_a_page_is_one_that_the_command_line_takes(page):
    wrong = [said for line, mention in commands(page.read_text("utf-8")) if (said := complaint(line, mention))]
    assert not wrong


def test_the_nightly_update_runs_a_command_that_there_is_and_never_two_at_once():
    job = yaml.safe_load((ROOT / "cluster" / "kuberay" / "update-cronjob.yaml").read_text("utf-8"))
    assert (job["apiVersion"], job["kind"], job["spec"]["concurrencyPolicy"]) == ("batch/v1", "CronJob", "Forbid")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["command"][0] == "novelray"
    assert complaint(shlex.join([*container["command"][1:], *container["args"]]), mention=False) is None
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert mounts.keys() == {volume["name"] for volume in pod["volumes"]}
    assert container["command"][2].startswith(mounts["recipe"])
    assert container["env"][0]["value"].startswith(mounts["token"])


def test_the_pages_have_commands_to_check():
    assert all(len(list(commands(page.read_text("utf-8")))) > 10 for page in READMES)


@pytest.mark.parametrize("line", ["trian recipe.yaml", "train recipe.yaml --epochs 3", "train", "keys make ada"])
def test_a_wrong_verb_option_or_a_missing_argument_is_noticed(line):
    assert complaint(line, mention=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_relative_link_leads_somewhere(page):
    links = LINK.findall(INLINE.sub("", prose(page.read_text("utf-8"))))
    targets = [t.partition("#")[0] for t in links if "://" not in t]
    assert not [t for t in targets if t and not (page.parent / t).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_path_of_the_repository_that_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    words = [*INLINE.findall(prose(text)), *itertools.chain.from_iterable(b.split() for _, b in FENCE.findall(text))]
    named = {found[1].rstrip(".,;:") for word in words if (found := PATH.fullmatch(word.rstrip(".,;:")))}
    assert not [path for path in sorted(named) if not any(ROOT.glob(path.rstrip("/")))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_make_target_that_a_page_names_is_there(page):
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.M))
    named = [*re.findall(r"`make ([a-z]+)", text), *re.findall(r"^make ([a-z]+)", text, re.M)]
    assert set(named) <= targets


def test_the_tree_in_the_readme_is_the_tree():
    tree = next(b for language, b in blocks(READMES[0]) if not language)
    said = {line.split()[0] for line in tree.splitlines() if line.startswith("  ")}
    there = {f"{p.name}/" for p in (ROOT / "novelray").iterdir() if p.is_dir() and any(p.glob("[!_.]*"))}
    assert said == {*there, "errors.py"}
    assert {line.split()[0] for line in tree.splitlines() if not line.startswith(" ")} == {f"{f}/" for f in FOLDERS}


def without_comments(language: str, block: str) -> list[str]:
    """A block as both languages have it: comments, and what a tree says of its folders, left out."""
    if not language:
        return [re.split(r"\s{2,}", line.strip())[0] for line in block.splitlines()]
    return [COMMENT.sub("", line) for line in block.splitlines()]


def test_both_readmes_have_the_same_headings_and_the_same_code():
    english, chinese = ([len(h) for h in re.findall(r"^(#+) ", prose(p.read_text("utf-8")), re.M)] for p in READMES)
    assert english == chinese
    ours, theirs = ([(n, without_comments(n, b)) for n, b in blocks(p)] for p in READMES)
    assert ours == theirs


def test_both_readmes_name_the_same_commands_keys_and_files():
    ours, theirs = (sorted(set(INLINE.findall(prose(p.read_text("utf-8"))))) for p in READMES)
    assert ours == theirs


def recipe_parts(page: Path) -> list[dict[str, Any]]:
    """YAML blocks made of recipe sections; others (a cluster's address, say) are not recipes."""
    found = [yaml.safe_load(block) for language, block in blocks(page) if language == "yaml"]
    return [part for part in found if set(part) <= set(Recipe.model_fields)]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_recipe_shown_is_a_valid_one(page, tmp_path):
    """Parts of one are put into the whole one of the README, in the order of the page."""
    recipe = next(part for part in recipe_parts(READMES[0]) if "name" in part)
    for part in recipe_parts(page):
        for key, value in part.items():
            recipe[key] = {**recipe.get(key, {}), **value} if isinstance(value, dict) else value
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe, allow_unicode=True), "utf-8")
        assert load_recipe(tmp_path / "recipe.yaml").train.resolved()


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_every_python_example_parses(page):
    for language, block in blocks(page):
        if language == "python":
            ast.parse(block)


def test_the_pictures_are_the_same_but_for_the_words():
    english, chinese = ((ROOT / "docs" / name).read_text("utf-8") for name in ("flow.svg", "flow.zh-CN.svg"))
    shapes = re.compile(r"<(?:path|rect|g)[^>]*>")
    assert shapes.findall(english) == shapes.findall(chinese)

"""The rules of the house, read off the source: sizes, docstrings, who imports what, nothing unpickled, all pinned."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TREES = ("novelray", "jobs", "serve", "benchmarks")
SOURCES = sorted(path for tree in TREES for path in (ROOT / tree).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST_FILE, LONGEST_FUNCTION = 500, 80
UNPICKLERS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_there_is_source_to_look_at():
    assert len(SOURCES) > 40


def test_no_file_is_longer_than_a_reader_can_hold():
    long = {name(p): n for p in SOURCES + TESTS if (n := len(p.read_text("utf-8").splitlines())) > LONGEST_FILE}
    assert not long


def test_no_function_is_longer_than_two_screens():
    long = [
        f"{name(path)}:{node.lineno} {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for path in SOURCES + TESTS
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def test_every_module_opens_with_what_it_is():
    silent = [name(p) for p in SOURCES if p.read_text("utf-8").strip() and not ast.get_docstring(tree(p))]
    assert not silent


def test_nothing_outside_onray_and_serve_imports_ray():
    allowed = (ROOT / "novelray" / "onray", ROOT / "serve", ROOT / "benchmarks")
    wrong = [name(p) for p in SOURCES if not p.is_relative_to(allowed[0]) and not p.is_relative_to(allowed[1])
             and not p.is_relative_to(allowed[2]) and "ray" in imported(p)]  # fmt: skip
    assert not wrong


def test_nothing_is_pickled_or_unpickled():
    wrong = [f"{name(p)} imports {', '.join(found)}" for p in SOURCES if (found := imported(p) & UNPICKLERS)]
    wrong += [
        f"{name(path)}:{node.lineno} {ast.unparse(node)}"
        for path in SOURCES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("torch.load", "torch.save")
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("ray", "def f():\n    import ray.data\n"),
        ("pickle", "from pickle import loads\n"),
    ],
)
def test_the_rules_see_an_import_inside_a_function(tmp_path, rule, source):
    path = tmp_path / "m.py"
    path.write_text(source)
    assert rule in imported(path)


def test_imports_run_one_way():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, env={**os.environ})
    assert done.returncode == 0, done.stdout


def _declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {canonical(re.match(r"[A-Za-z0-9._-]+", requirement)[0]) for requirement in wanted}


def canonical(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def test_every_dependency_is_pinned_exactly_and_for_every_machine():
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line), line  # no hosts, paths or build tags
    pinned = {canonical(line.partition("==")[0]) for line in lines}
    assert len(pinned) == len(lines)
    assert not _declared() - pinned


def test_the_tests_run_with_the_pinned_versions():
    from importlib import metadata

    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.M))
    other = {}
    for package in _declared():
        version = metadata.version(package).partition("+")[0]
        if version != {canonical(k): v for k, v in pins.items()}[package]:
            other[package] = version
    assert not other, "run: make install"


def test_packages_mirror_their_tests():
    packages = {p.parent.name for p in (ROOT / "novelray").glob("*/__init__.py")}
    folders = {p.name for p in (ROOT / "tests" / "unit").iterdir() if p.is_dir() and p.name != "__pycache__"}
    assert folders <= packages


def test_test_files_have_names_of_their_own():
    names = [p.name for p in TESTS if p.name.startswith("test_")]
    assert len(names) == len(set(names))

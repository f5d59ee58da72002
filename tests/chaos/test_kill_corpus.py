"""A corpus build is killed for real; the same command goes on, and ends with the corpus of a build nobody touched."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest
import yaml

from novelray.corpus import chapters
from novelray.storage import Artifacts, Store

pytestmark = [pytest.mark.slow, pytest.mark.ray]
BOOKS, CHAPTERS, ENOUGH = 150, 20, 5
"""It is killed when ENOUGH books are done: its workers go on for a moment, and a fast machine does many books in it."""

SIGNS = "的一是了我不人在他有这上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Books of a few chapters, and a recipe."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "books").mkdir()
    chance = random.Random(5)
    for book in range(BOOKS):
        text = "".join(
            f"第{n}章\n\n" + "".join("".join(chance.choices(SIGNS, k=18)) + "。" for _ in range(60)) + "\n\n"
            for n in range(1, CHAPTERS + 1)
        )
        (folder / "books" / f"{book:03d}.txt").write_text(text, encoding="utf-8")
    return folder


def start(shelf, root):
    recipe = shelf / f"{root}.yaml"
    values = {"name": "r", "storage": {"root": root}, "corpus": {"books": ["books"]}, "train": {"method": "full"}}
    recipe.write_text(yaml.safe_dump(values), encoding="utf-8")
    environment = {**os.environ, "NOVELRAY_HOME": str(shelf / "home")}
    environment.pop("RAY_ADDRESS", None)
    return subprocess.Popen(
        [sys.executable, "-m", "novelray.cli.main", "corpus", str(recipe)], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env=environment, cwd=shelf,
    )  # fmt: skip


def corpus_in(shelf, root):
    [artifact] = Artifacts(Store(str(shelf / root)), cache=shelf / "cache").all()
    return artifact


def finished(shelf, root):
    return {p: p.stat().st_mtime_ns for p in (shelf / root / "parts" / "corpus").glob("*/outcome.json")}


def test_a_killed_build_goes_on_without_losing_or_repeating_a_chapter(shelf):
    undisturbed = start(shelf, "whole")
    assert undisturbed.wait(timeout=180) == 0, undisturbed.stdout.read()

    killed = start(shelf, "killed")
    deadline = time.monotonic() + 120
    while len(finished(shelf, "killed")) < ENOUGH and time.monotonic() < deadline:
        assert killed.poll() is None, killed.stdout.read()
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    time.sleep(3)  # its workers end by themselves
    before = finished(shelf, "killed")
    assert ENOUGH <= len(before) < BOOKS, "it was to be killed in the middle"
    assert not list(Artifacts(Store(str(shelf / "killed"))).all()), "half a corpus counts as one"

    again = start(shelf, "killed")
    said, _ = again.communicate(timeout=180)
    assert again.returncode == 0, said
    assert f"{len(before)} of {BOOKS} files were read by an earlier build" in said
    assert before.items() <= finished(shelf, "killed").items(), "what was done was done again"

    ours, theirs = corpus_in(shelf, "killed"), corpus_in(shelf, "whole")
    assert (ours.id, ours.manifest.digest()) == (theirs.id, theirs.manifest.digest())
    ids = [i for batch in chapters(ours, columns=["chapter_id"]) for i in batch.column("chapter_id").to_pylist()]
    assert len(ids) == len(set(ids)) == BOOKS * CHAPTERS

"""What bad input gets, from the command line: the value, what to do, the exit code, no traceback, nothing half-written.

A wrong API key and a prompt longer than the context are in test_openai_api.py.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from novelray.cli.main import main
from novelray.errors import EXIT_RETRY, EXIT_USER

SENTENCE = "那一日天色将晚，众人各自散去，只有他{}一个人坐在灯下，翻看着旧日的书信。"


STAGES = "train.stages=[{name: a}, {name: b, method: lora}]"


def chapter(number):
    """One that resembles no other."""
    chance = random.Random(number)
    words = ("".join(chance.choices("东风夜放花千树更吹落星如雨宝马雕车香满路", k=12)) for _ in range(12))
    return f"第{number}章 夜雨\n\n" + "".join(map(SENTENCE.format, words)) + "\n\n"


class Desk:
    """A folder with a recipe and a book, and the command line over it."""

    def __init__(self, folder, capsys):
        self.folder, self.capsys = folder, capsys
        self.data, self.books = folder / "data", folder / "books"
        self.books.mkdir()
        (self.books / "a.txt").write_text("".join(map(chapter, "一二三四五六")))

    def recipe(self, **sections):
        path = self.folder / "recipe.yaml"
        values = {
            "name": "r", "storage": {"root": "data"}, "corpus": {"books": ["books"]}, "model": {"base": "scratch:nano"},
            "shards": {"context": 64, "tokenizer": "train", "vocab_size": 400},
            "train": {"method": "full", "max_steps": 2, "global_batch": 2, "validate_every": 2},
        }  # fmt: skip
        path.write_text(yaml.safe_dump({**values, **sections}))
        return path

    def refuses(self, verb, *overrides, code=EXIT_USER, recipe=None, **words):
        """The verb fails with this code; `says` is in the message and `hint` in the hint. Returns stderr."""
        options = [part for override in overrides for part in ("--set", override)]
        found = main([verb, str(recipe or self.recipe()), *options])
        shown = self.capsys.readouterr()
        assert found == code, shown.err
        message, _, hint = " ".join(shown.err.split()).partition("hint:")
        assert message.startswith("error: "), shown.err
        assert all(word in message for word in words.get("says", ())), message
        assert words["hint"] in hint, shown.err
        assert "Traceback" not in shown.out + shown.err
        assert not (self.folder / "home" / "logs").exists(), "taken for a defect of ours"
        return shown.err

    def stored(self):
        """Every file in the storage but finished work that the next build goes on from."""
        names = (str(p.relative_to(self.data)) for p in self.data.rglob("*") if p.is_file())
        return sorted(name for name in names if not name.startswith("parts/"))


@pytest.fixture
def desk(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    return Desk(tmp_path, capsys)


@pytest.fixture
def no_ray(monkeypatch):
    """These are told before anything is started."""
    from novelray.onray import session

    def refuse(*args, **options):
        raise AssertionError("Ray was started")

    monkeypatch.setattr(session, "start", refuse)
    monkeypatch.setattr("ray.is_initialized", lambda: False)


def test_a_missing_book_folder(desk, no_ray):
    desk.refuses("corpus", "corpus.books=[nowhere]", says=[str(desk.folder / "nowhere")], hint="corpus.books")
    assert desk.stored() == []


def test_a_folder_without_books(desk, no_ray):
    (desk.folder / "empty").mkdir()
    desk.refuses("corpus", "corpus.books=[empty]", says=[str(desk.folder / "empty")], hint="a folder with books")
    desk.refuses("corpus", "corpus.books=[]", says=["corpus.books is empty"], hint="folder")
    assert desk.stored() == []


def test_a_recipe_that_is_not_there_or_is_no_yaml(desk, no_ray):
    desk.refuses("train", recipe=desk.folder / "none.yaml", says=["none.yaml"], hint="novelray init")
    (desk.folder / "torn.yaml").write_text("name: [")
    desk.refuses("train", recipe=desk.folder / "torn.yaml", says=["torn.yaml"], hint="")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("train.lerning_rate=1e-3", ["train.lerning_rate", "did you mean 'learning_rate'"]),
        ("trian.method=full", ["trian", "did you mean 'train'"]),
        ("train.method=lorra", ["train.method", "lorra", "'lora'"]),
        ("train.learning_rate=-1", ["train.learning_rate", "-1"]),
        ("train.micro_batch=3", ["global_batch (2)", "micro_batch (3)", "Change one of the three"]),
    ],
)
def test_a_typo_or_a_wrong_value_in_the_recipe(desk, no_ray, override, says):
    desk.refuses("train", override, says=says, hint="novelray recipe reference")
    assert desk.stored() == []


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        (["scaling.zero=3", STAGES], ["lora", "scaling.zero 3", "Use scaling.zero 0, 1 or 2"]),
        (["train.method=lora"], ["scratch:nano", "random", "with method full first"]),
        (["scaling.offload=optimizer"], ["scaling.offload", "scaling.zero is 0", "Set scaling.zero to 1, 2 or 3"]),
    ],
)
def test_an_impossible_combination(desk, no_ray, overrides, says):
    desk.refuses("run", *overrides, says=says, hint="novelray recipe reference")
    assert desk.stored() == []


@pytest.mark.parametrize("verb", ["train", "run", "evaluate", "tune", "plan"])
@pytest.mark.parametrize(
    ("base", "says", "hint"),
    [
        ("./no/model", ["no/model"], "model.base"),
        ("nobody/nothing-7b", ["nobody/nothing-7b", "not in the local cache"], "model.download: true"),
        ("mine@latest", ["'mine'"], "novelray train"),
    ],
)
def test_a_base_model_that_is_not_there(desk, no_ray, verb, base, says, hint):
    if (verb, base) == ("plan", "mine@latest"):
        pytest.skip("the plan does without the shape of a registered model")
    desk.refuses(verb, f"model.base={base}", "shards.tokenizer=base", says=says, hint=hint)
    assert desk.stored() == []


def test_a_base_that_reads_less_than_a_row(desk, no_ray):
    from support.tiny import tiny_llama

    base = tiny_llama(desk.folder / "tiny", context=32)
    desk.capsys.readouterr()
    desk.refuses("train", f"model.base={base}", "shards.tokenizer=base", says=["64", "reads 32"], hint="at most 32")
    assert desk.stored() == []


@pytest.mark.ray
def test_nothing_to_serve(desk, ray_session):
    desk.refuses("serve", says=["no model 'r'"], hint="novelray train")


@pytest.mark.ray
def test_unreadable_files(desk, ray_session):
    (desk.books / "b.txt").write_bytes(b"\x00\x01\x02" * 400)
    says = ["1 of 2 books cannot be read", "b.txt"]
    desk.refuses("corpus", says=says, hint="corpus.max_quarantine")
    (desk.books / "a.txt").write_bytes(b"")
    desk.refuses(
        "corpus", "corpus.max_quarantine=1", says=["2 of 2 books cannot be read", "the file is empty"], hint=""
    )
    assert desk.stored() == []


@pytest.mark.ray
@pytest.mark.parametrize(
    ("override", "says", "hint"),
    [
        ("scaling.device=gpu", ["1 GPU(s)", "has 0"], "scaling.device to cpu"),
        ("scaling.workers=8", ["8 worker(s)", "has 2"], "scaling.workers"),
        ("scaling.cpus_per_worker=9", ["9 CPU(s)", "has 2"], "scaling.cpus_per_worker"),
    ],
)
def test_more_than_the_cluster_has_is_told_before_any_work(desk, ray_session, override, says, hint):
    desk.refuses("train", override, "train.global_batch=8", says=says, hint=hint)
    assert desk.stored() == []


@pytest.mark.ray
def test_a_port_in_use_is_told_before_any_work(desk, ray_session):
    from novelray.onray.deploy import undeploy

    undeploy(lambda line: None, free_port=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        desk.refuses("run", f"serve.port={port}", says=[f"Port {port}", "in use"], hint="--set serve.port=")
    assert desk.stored() == []


@pytest.fixture
def small_disk(desk):
    """The storage on a disk of a few megabytes. Returns a function that gives it another size."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    desk.data.mkdir()
    assert subprocess.call(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", desk.data]) == 0
    yield lambda size: subprocess.check_call(["mount", "-o", f"remount,size={size}", desk.data])
    subprocess.call(["umount", "-l", desk.data])


@pytest.mark.ray
@pytest.mark.slow
def test_a_full_disk_at_each_stage_keeps_what_was_done_and_the_same_command_goes_on(desk, ray_session, small_disk):
    filler = desk.data / "filler"
    filler.write_bytes(b"0" * 60_000)
    desk.refuses("corpus", code=EXIT_RETRY, says=["full", str(desk.data)], hint="run the same command again")
    assert desk.stored() == ["filler"]
    filler.unlink()
    small_disk("8m")  # enough for corpus and shards, not for a checkpoint
    err = desk.refuses("train", code=EXIT_RETRY, says=["full", str(desk.data)], hint="run the same command again")
    assert "Going on" not in err
    kinds = {name.split("/")[1].partition("-")[0] for name in desk.stored() if name.endswith("/manifest.json")}
    assert kinds == {"corpus", "tokenizer", "shards"}
    assert not [name for name in desk.stored() if name.endswith(".nrpart")]
    small_disk("200m")
    assert main(["train", str(desk.recipe())]) == 0
    shown = desk.capsys.readouterr().out
    assert shown.count("nothing changed") == 3
    assert "full to step 2" in shown


def test_no_traceback_reaches_a_person_from_a_process_of_its_own(desk):
    """What stands above, through the real interpreter: nothing of ours prints at import or at exit."""
    environment = {**os.environ, "NOVELRAY_HOME": str(desk.folder / "home")}
    command = [sys.executable, "-m", "novelray.cli.main", "corpus", str(desk.recipe()), "--set", "corpus.books=[]"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == EXIT_USER
    assert done.stdout == ""
    assert done.stderr.splitlines()[0] == "error: corpus.books is empty."
    assert Path(desk.folder / "data").exists() is False

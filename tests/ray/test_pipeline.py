"""One recipe, from the books to a registered model: what is made, what is not made twice, and where it came from."""

from __future__ import annotations

import json
import time
import urllib.request
from itertools import groupby

import pytest
import yaml

from novelray.cli.main import main
from novelray.errors import BusyError, NotPromotedError
from novelray.onray import pipeline
from novelray.recipe import load_recipe
from novelray.registry import Registry
from novelray.shards.chapters import CHAPTERS_FILE, read_chapters
from novelray.storage import Store, trace
from novelray.telemetry.journal import read_journal

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BOOKS = ("听冰", "盐湖来信", "秋渚图")
RECIPE = {
    "name": "tale",
    "seed": 1,
    "storage": {"root": "data"},
    "corpus": {"heldout": {"share": 0.2}},
    "shards": {"context": 64, "tokenizer": "train", "vocab_size": 600},
    "model": {"base": "scratch:nano"},
    "train": {
        "epochs": 6, "max_steps": 30, "global_batch": 8, "micro_batch": 4, "validate_every": 10, "checkpoint_every": 15,
        "learning_rate": 2e-3,
        "stages": [
            {"name": "language", "method": "full", "books": ["听冰", "盐湖来信"]},
            {"name": "voice", "method": "lora", "books": ["秋渚图"], "learning_rate": 1e-2, "lora": {"rank": 8}},
        ],
    },
    "evaluate": {"rows": 16, "samples": 2, "sample_tokens": 8},
    "telemetry": {"flush_s": 0.1},
}  # fmt: skip


class Tale:
    """The recipe in a folder, and what its verbs said."""

    def __init__(self, folder, samples):
        self.path = folder / "recipe.yaml"
        books = [str(samples / "zh" / f"{book}.txt") for book in BOOKS]
        self.path.write_text(yaml.safe_dump({**RECIPE, "corpus": {**RECIPE["corpus"], "books": books}}))
        self.first: list[str] = []
        self.samples = samples / "zh"

    def recipe(self, *overrides):
        return load_recipe(self.path, overrides)

    def __call__(self, verb, *overrides):
        """Run a verb. Returns what it made and the lines that it said."""
        lines: list[str] = []
        return getattr(pipeline, verb)(self.recipe(*overrides), lines.append), lines

    def artifacts(self, *overrides):
        return pipeline.open_artifacts(self.recipe(*overrides))

    def model(self, version, *overrides):
        return self.artifacts(*overrides).get(version.artifact)


@pytest.fixture(scope="module")
def tale(ray_session, samples, tmp_path_factory):
    """The recipe, trained once."""
    made = Tale(tmp_path_factory.mktemp("tale"), samples)
    made.version, made.first = made("train")
    return made


@pytest.fixture(scope="module")
def elsewhere(tale, tmp_path_factory):
    """The first stage of the same recipe on two workers, in object storage. (overrides, version, lines)"""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://{}:{}".format(*server.get_host_and_port())
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/tales", method="PUT"))
    overrides = (
        "storage.root=s3://tales/data", f"storage.endpoint={endpoint}", "scaling.workers=2", "scaling.zero=1",
        f"storage.cache={tmp_path_factory.mktemp('cache')}",
        f"train.stages={json.dumps(RECIPE['train']['stages'][:1])}",
    )  # fmt: skip
    yield (overrides, *tale("train", *overrides))
    server.stop()


def losses(artifacts, model):
    return [e["loss"] for e in read_journal(artifacts.store, f"runs/{model}") if e["kind"] == "train"]


def kinds(lines):
    """Who spoke, one after the other."""
    return [kind for kind, _ in groupby(line.partition(":")[0] for line in lines)]


def said(lines, word):
    return [line for line in lines if word in line]


def test_books_become_a_registered_model(tale):
    assert kinds(tale.first) == ["corpus", "tokenizer", "shards", "language", "shards", "voice", "registry"]
    registry = Registry(tale.artifacts().store)
    assert registry.resolve("tale@latest").digest == tale.version.digest
    model = tale.model(tale.version)
    assert model.manifest.digest() == tale.version.digest
    assert model.counts["method"] == "lora"
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= set(model.manifest.files)
    for artifact in tale.artifacts().all():
        artifact.verify()


def test_a_second_run_makes_nothing_and_says_so(tale):
    before = tale.artifacts().store.files()
    version, lines = tale("train")
    assert version.digest == tale.version.digest
    stages = [line for line in lines if not line.startswith("registry")]
    assert len(stages) == 6
    assert all("nothing changed, using" in line for line in stages), stages
    assert tale.artifacts().store.files() == before


def test_more_workers_are_no_reason_to_train_again(tale):
    _, lines = tale("train", "scaling.workers=2", "scaling.zero=2", "train.micro_batch=2", "telemetry.log_every=5")
    assert len(said(lines, "nothing changed")) == 6


def test_a_hyper_parameter_retrains_from_its_stage_on(tale):
    version, lines = tale("train", "train.stages.1.lora.rank=4", "train.stages.1.max_steps=2")
    assert [line.partition(":")[0] for line in lines if "nothing changed" not in line] == ["voice", "registry"]
    assert version.digest != tale.version.digest
    artifacts = tale.artifacts()
    assert Registry(artifacts.store).resolve("tale@latest").digest == version.digest
    bases = [artifacts.get(v.artifact).manifest.inputs["base"] for v in (version, tale.version)]
    assert bases[0] == bases[1], "the stage before was not trained again"
    tale("train")  # the alias goes back with the recipe
    assert Registry(artifacts.store).resolve("tale@latest").digest == tale.version.digest


def test_a_curriculum_goes_by_the_text_or_by_the_base_s_loss_and_each_is_measured_once(tale):
    for how in ("scores", "loss"):
        section = json.dumps({"schedule": [{"epoch": 1, "easy": 0.7}], "difficulty": how})
        changes = (f"train.stages.1.curriculum={section}", "train.stages.1.max_steps=2")
        version, lines = tale("train", *changes)
        assert len(said(lines, "difficulty: ")) == 1
        model = tale.model(version)
        measured = tale.artifacts().get(model.manifest.inputs["difficulty"])
        assert measured.counts["rows"] == tale.artifacts().get(model.manifest.inputs["shards"]).counts["train"]["rows"]
        _, again = tale("train", *changes)
        assert said(again, "difficulty: nothing changed")
    tale("train")  # the alias goes back with the recipe


def test_an_adapter_on_the_trained_model_lowers_the_held_out_perplexity_and_names_its_base(tale):
    evaluation, lines = tale("evaluate")
    before, after = evaluation.counts["before"], evaluation.counts["after"]
    assert after["perplexity"] < 0.97 * before["perplexity"], (before, after)
    assert before["tokens"] == after["tokens"] > 0
    assert f"{before['perplexity']:g} → {after['perplexity']:g}" in said(lines, "evaluate")[0]
    adapter = tale.model(tale.version)
    base = tale.artifacts().get(adapter.manifest.inputs["base"])
    assert base.counts["method"] == "full"
    assert adapter.read_json("base.json")["source"] == f"artifact:{base.id}"
    _, again = tale("evaluate")
    assert said(again, "evaluate") == said(again, "nothing changed, using evaluation-")


def test_a_model_that_forgets_more_than_allowed_is_registered_and_not_promoted(tale):
    spoilt = {"name": "spoilt", "method": "full", "books": ["秋渚图"], "learning_rate": 0.05, "max_steps": 4}
    changes = ("model.base=tale@latest", "shards.tokenizer=base", f"train.stages=[{json.dumps(spoilt)}]")
    registry = Registry(tale.artifacts().store)
    known = len(registry.versions("tale"))
    with pytest.raises(NotPromotedError, match=r"old rows rose from .* Distribution shift") as caught:
        tale("train", *changes, "registry.promote.old_rise=0.1")
    assert "replay" in caught.value.hint
    assert len(registry.versions("tale")) == known + 1
    assert registry.resolve("tale@latest").digest == tale.version.digest, "what is served stays as it was"


def test_an_update_trains_the_promoted_model_on_what_is_new_and_on_nothing_twice(tale):
    own = ("registry.model=diary",)
    first, _ = tale("train", *own)
    none, lines = tale("update", *own)
    assert none is None
    assert said(lines, f"nothing new: {first.id} knows every chapter")

    books = json.dumps([str(tale.samples / f"{book}.txt") for book in (*BOOKS, "傅家甸日记")], ensure_ascii=False)
    grown = (*own, f"corpus.books={books}", "train.stages.1.books=['*']", "train.stages.1.max_steps=2")
    none, lines = tale("update", *grown, "update.min_new_tokens=10000000")
    assert none is None
    assert said(lines, "update.min_new_tokens")

    grown = (*grown, "update.min_new_tokens=10", "registry.promote.old_rise=10.0")
    claim = "claims/update-diary.json"
    now = {"owner": "other", "host": "h", "process": 1, "since": time.time(), "beat": time.time()}
    tale.artifacts().store.write(claim, json.dumps(now).encode())
    with pytest.raises(BusyError):
        tale("update", *grown)
    tale.artifacts().store.delete(claim)

    version, lines = tale("update", *grown)
    registry, model = Registry(tale.artifacts().store), tale.model(version)
    assert model.manifest.inputs["base"] == first.artifact
    assert registry.resolve("diary@latest").digest == version.digest
    chapters = read_chapters(tale.artifacts().get(model.manifest.inputs["shards"]).read(CHAPTERS_FILE))
    assert set(chapters.column("book").to_pylist()) == {"傅家甸日记"}, "the others were trained on before"
    old = {value for role, value in model.manifest.inputs.items() if role.startswith("old_")}
    assert old == set(pipeline.known_shards(tale.artifacts(), f"artifact:{first.artifact}"))
    assert said(lines, "promote: perplexity on old rows")

    none, lines = tale("update", *grown)
    assert none is None
    assert said(lines, "nothing new")
    registry.alias("diary", "latest", first.digest)
    none, lines = tale("update", *grown)
    assert none is None
    assert said(lines, "moved back"), "what was taken back is not put up again overnight"


def test_the_chain_leads_from_the_registered_version_back_to_the_books(tale, capsys):
    chain = list(trace(tale.artifacts(), tale.version.artifact))
    kinds = [link.manifest.kind for link in chain if link.manifest]
    assert kinds[0] == "model"
    assert kinds.count("model") == 2, "the adapter and its base"
    assert set(kinds) >= {"model", "shards", "corpus"}
    assert {link.role for link in chain if not link.manifest} >= set(BOOKS)
    assert main(["trace", "tale@latest", "--recipe", str(tale.path)]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in (tale.version.artifact, *BOOKS))


def test_the_plan_says_what_is_there(tale, capsys):
    assert main(["plan", str(tale.path)]) == 0
    shown = capsys.readouterr().out
    shards = pipeline.known_shards(tale.artifacts(), f"artifact:{tale.version.artifact}")
    counts = [tale.artifacts().get(one).counts["train"]["rows"] for one in shards]
    assert len(counts) == 2
    assert all(f"{rows:,} rows" in shown for rows in counts), shown
    assert "language: full" in shown
    assert "voice: lora" in shown
    assert main(["plan", str(tale.path), "--set", "storage.root=/tmp/nothing-is-here"]) == 0
    assert "text not counted yet" in capsys.readouterr().out


def test_two_workers_in_another_storage_have_the_same_losses(tale, elsewhere):
    overrides, version, _ = elsewhere
    ours = tale.artifacts().get(tale.model(tale.version).manifest.inputs["base"])
    theirs = tale.model(version, *overrides)
    assert theirs.id == ours.id, "where it is made is no part of what it is"
    assert len(losses(tale.artifacts(), ours.id)) == 30
    assert losses(tale.artifacts(*overrides), theirs.id) == pytest.approx(losses(tale.artifacts(), ours.id), abs=1e-4)
    starts = [e for e in read_journal(tale.artifacts(*overrides).store, f"runs/{theirs.id}") if e["kind"] == "start"]
    assert [e["world"] for e in starts] == [2]


def test_object_storage_holds_the_whole_pipeline(tale, elsewhere):
    overrides, version, lines = elsewhere
    assert kinds(lines) == ["corpus", "tokenizer", "shards", "language", "registry"]
    artifacts = tale.artifacts(*overrides)
    assert isinstance(artifacts.store, Store)
    assert not artifacts.store.is_local
    for artifact in artifacts.all():
        artifact.verify()
    assert (tale.model(version, *overrides).local() / "model.safetensors").is_file()
    assert Registry(artifacts.store).resolve("tale@latest").digest == version.digest
    _, again = tale("train", *overrides)
    assert len(said(again, "nothing changed")) == 4


def test_run_streams_a_continuation_from_the_endpoint(tale, capsys, tmp_path, monkeypatch, free_port):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path))
    lines: list[str] = []
    pipeline.run(tale.recipe(f"serve.port={free_port}"), lines.append, remain=False)
    assert len(said(lines, "nothing changed")) >= 6
    assert any("answers at" in line for line in lines)
    shown = capsys.readouterr().out
    opening = next(iter(shown.splitlines()))
    assert len(shown.strip()) > len(opening) > 0
    assert f"http://127.0.0.1:{free_port}/v1/completions" in lines[-1], "the next command can be pasted"


def test_without_anything_held_out_the_model_is_made_and_not_measured(tale, tmp_path, monkeypatch, free_port):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path))
    lines: list[str] = []
    quick = ("corpus.heldout.share=0", "train.max_steps=1", f"train.stages={json.dumps(RECIPE['train']['stages'][:1])}")
    pipeline.run(tale.recipe(*quick, f"serve.port={free_port}"), lines.append, remain=False)
    assert said(lines, "no validation loss and no scores")
    assert said(lines, "answers at")
    assert not said(lines, "evaluate:")

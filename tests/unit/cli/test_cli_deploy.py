"""`novelray deploy`: what is asked of the cluster, without one."""

from __future__ import annotations

import hashlib
import json

import pytest

from novelray.cli.main import main
from novelray.registry import Registry
from novelray.storage import Store

DIGESTS = [hashlib.sha256(text.encode()).hexdigest() for text in ("one", "two")]


@pytest.fixture
def asked(monkeypatch):
    """What is asked of the cluster: (verb, arguments)."""
    calls = []
    monkeypatch.setenv("NOVELRAY_API_KEY", "nr-x")
    monkeypatch.setattr("novelray.onray.session.connect", lambda: None)
    monkeypatch.setattr("novelray.onray.serving.ensure_key", lambda url=None: None)
    for verb in ("replace", "start_canary", "promote", "roll_back"):
        monkeypatch.setattr(
            f"novelray.onray.versions.{verb}", lambda *arguments, verb=verb: calls.append((verb, arguments))
        )
    return calls


@pytest.fixture
def recipe(tmp_path, monkeypatch):
    """A recipe in the current folder, with two versions of its model in the registry."""
    monkeypatch.chdir(tmp_path)
    registry = Registry(Store("novelray-data"))
    for number, digest in enumerate(DIGESTS):
        registry.register("tale", f"model-{number}", digest, {})
    registry.alias("tale", "latest", DIGESTS[0])
    registry.alias("tale", "next", DIGESTS[1])
    path = tmp_path / "recipe.yaml"
    path.write_text("name: tale\ntrain: {method: full}\nserve: {port: 8123}\n")
    return path


def test_a_recipe_means_its_model_and_a_reference_any_version(asked, recipe):
    one, two = (f"tale@{digest[:12]}" for digest in DIGESTS)
    for target in ("recipe.yaml", "tale@next", two):
        assert main(["deploy", target, "--set", "serve.max_batch=3"]) == 0
    found = [arguments[0] for _, arguments in asked]
    assert [(s.version, s.aliases) for s in found] == [(one, ("latest",)), (two, ("next",)), (two, ("latest",))]
    assert {(s.serve.port, s.serve.max_batch) for s in found} == {(8123, 3)}
    assert found[1].source == "artifact:model-1"
    assert found[1].storage.root == str(recipe.parent / "novelray-data"), "it has to mean the same on a worker"


def test_an_alias_may_look_like_a_digest(asked, recipe):
    Registry(Store("novelray-data")).alias("tale", "cafe", DIGESTS[1])
    assert main(["deploy", "tale@cafe"]) == 0
    assert asked[0][1][0].aliases == ("cafe",)


def test_without_a_cluster_none_is_started_that_would_end_with_the_command(recipe, monkeypatch, capsys):
    def init(address, **_):
        assert address == "auto"
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("ray.is_initialized", lambda: False)  # other tests may have a cluster
    monkeypatch.setattr("ray.init", init)
    for asking in (["recipe.yaml"], ["tale@next", "--canary", "0.1"], ["--promote"], ["--rollback"], ["--status"]):
        assert main(["deploy", *asking]) == 3
        shown = capsys.readouterr().err
        assert "No cluster runs on this machine" in shown
        assert "RAY_ADDRESS" in shown


def test_a_storage_root_is_enough(asked, recipe, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["deploy", "tale@next", "--storage", str(recipe.parent / "novelray-data")]) == 0
    assert asked[0][1][0].serve.port == 8000
    assert main(["deploy", "tale@next"]) == 2, "no recipe here, and no storage told"
    assert main(["deploy", "tale@next", "--storage", "x", "--set", "serve.port=1"]) == 2


def test_each_option_asks_for_one_thing(asked, recipe, capsys):
    assert main(["deploy", "tale@next", "--canary", "0.1"]) == 0
    assert main(["deploy", "--promote"]) == main(["deploy", "--rollback"]) == 0
    assert [verb for verb, _ in asked] == ["start_canary", "promote", "roll_back"]
    assert asked[0][1][1] == 0.1
    for wrong in ([], ["--promote", "--rollback"], ["tale", "--promote"], ["--promote", "--canary", "0.1"],
                  ["tale", "--canary", "1.5"]):  # fmt: skip
        assert main(["deploy", *wrong]) == 2
    assert len(asked) == 3


def test_a_name_that_is_not_there_says_which_are(asked, recipe, capsys):
    assert main(["deploy", "tale@nxt"]) == 2
    assert "Did you mean tale@next?" in capsys.readouterr().err
    assert not asked


def test_the_status_is_told_to_people_and_to_programs(asked, monkeypatch, capsys):
    found = {
        "replicas": {"stable": [{"version": "tale@1", "running": 2, "waiting": 0}], "canary": []},
        "canary": {"stable": "tale@1", "canary": "tale@2", "weight": 0.1, "running": False,
                   "ended": "taken back by itself: 3 of 10 failed", "told": {"canary": "10 requests, 3 failed"}},
    }  # fmt: skip
    monkeypatch.setattr("novelray.onray.versions.status", lambda: found)
    assert main(["deploy", "--status"]) == 0
    shown = capsys.readouterr().out
    assert "stable: tale@1, 2 running, 0 waiting" in shown
    assert "tale@2 was taken back by itself: 3 of 10 failed" in shown
    assert main(["deploy", "--status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found

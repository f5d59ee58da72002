"""Adapters by their names: which may be asked for, what a style comes to, and what the answer says of it."""

from __future__ import annotations

import json
import time

import pytest
from support.adapters import register
from support.endpoint import ScriptedEngine

from novelray.endpoint.settings import ServedModel
from novelray.endpoint.styles import Adapters, Catalogue, RegisteredAdapters
from novelray.errors import StorageError
from novelray.registry import Registry

MODEL, WUXIA, LETTERS = "wuxia@0123456789ab", "swords@aaaaaaaaaaaa", "letters@bbbbbbbbbbbb"
BASE = "folder-0123"
HERE = Adapters(
    tuple(
        ServedModel.of(name, parent=MODEL, adapter=name, digest=name[-1] * 64) for name in (WUXIA, LETTERS)
    ),
    {"poems@cccccccccccc": "poems@cccccccccccc was trained on the base folder-9."},
)  # fmt: skip


@pytest.fixture
def client(engine, start):
    with start(engine, catalogue=Catalogue(lambda: HERE)) as found:
        yield found


def post(client, **body):
    return client.post("/v1/completions", json={"prompt": "a", **body})


def test_the_list_of_models_has_the_adapters_with_their_base(client):
    data = client.get("/v1/models").json()["data"]
    assert [(m["id"], m.get("parent")) for m in data] == [(MODEL, None), (WUXIA, MODEL), (LETTERS, MODEL)]
    assert client.get("/v1/models/letters@latest").json()["id"] == LETTERS


def test_an_adapter_may_be_asked_for_as_a_model(client, engine):
    answer = post(client, model="swords").json()
    assert answer["model"] == WUXIA
    assert engine.requests[-1].style == {WUXIA: 1.0}
    assert answer["novelray"]["style"] == [{"id": WUXIA, "digest": "a" * 64, "weight": 1.0}]
    assert post(client).json()["novelray"]["style"] == []
    assert engine.requests[-1].style == {}


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions"])
def test_a_style_is_applied_on_top_of_the_model_and_told_with_ids_digests_and_weights(client, engine, path):
    body = {"prompt": "a", "messages": [{"role": "user", "content": "a"}], "style": {"swords": 0.7, LETTERS: 0.3}}
    answer = client.post(path, json=body).json()
    assert answer["model"] == MODEL
    assert engine.requests[-1].style == {WUXIA: 0.7, LETTERS: 0.3}
    assert answer["novelray"]["style"] == [
        {"id": WUXIA, "digest": "a" * 64, "weight": 0.7},
        {"id": LETTERS, "digest": "b" * 64, "weight": 0.3},
    ]
    client.post(path, json={**body, "model": "swords", "style": {"letters": -0.5}})
    assert engine.requests[-1].style == {WUXIA: 1.0, LETTERS: -0.5}, "the model that was asked for writes too"


@pytest.mark.parametrize(
    ("style", "status", "said"),
    [
        ({"swords": 2.5}, 422, "style"),
        ({"swords": "much"}, 422, "style"),
        ({f"a{i}": 0.1 for i in range(9)}, 422, "style"),
        ({"": 1}, 422, "style"),
        ({"swords": 1, WUXIA: 1}, 422, "second time"),
        ({"nobody": 1}, 404, LETTERS),
        ({MODEL: 1}, 404, "no adapter"),
        ({"poems@cccccccccccc": 1}, 404, "folder-9"),
    ],
)
def test_a_style_that_cannot_be_is_refused_by_name(client, engine, style, status, said):
    answer = post(client, style=style)
    assert answer.status_code == status
    assert answer.json()["error"]["param"] == "style"
    assert said in answer.json()["error"]["message"]
    assert not engine.requests


def test_weights_that_are_no_numbers_are_refused(client):
    answer = client.post(
        "/v1/completions", content='{"prompt": "a", "style": {"swords": NaN}}',
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 422


def test_a_refused_adapter_says_why_when_it_is_asked_as_a_model(client):
    answer = post(client, model="poems@cccccccccccc")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert "trained on the base folder-9" in answer.json()["error"]["message"]


def test_the_style_of_a_running_text_changes_under_its_id(start):
    engine = ScriptedEngine(pause_s=0.02)
    body = {"prompt": "a", "stream": True, "n": 2, "ignore_eos": True, "max_tokens": 100_000, "model": "swords"}
    with (
        start(engine, catalogue=Catalogue(lambda: HERE)) as client,
        client.stream("POST", "/v1/completions", json=body) as response,
    ):
        lines = response.iter_lines()
        name = json.loads(next(lines).removeprefix("data: "))["id"]
        changed = client.post(f"/v1/completions/{name}/style", json={"style": {"letters": 0.4}})
        assert changed.json() == {
            "id": name, "object": "style",
            "style": [
                {"id": WUXIA, "digest": "a" * 64, "weight": 1.0}, {"id": LETTERS, "digest": "b" * 64, "weight": 0.4},
            ],
        }  # fmt: skip
        assert sorted(engine.styles) == sorted(engine.running), "both choices"
        assert client.post(f"/v1/completions/{name}/style", json={"style": {"nobody": 1}}).status_code == 404
        gone = client.post("/v1/completions/cmpl-0/style", json={"style": {"letters": 0.4}})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "generation_not_found")


def test_a_text_at_another_replica_is_found_there(start):
    asked = []

    async def elsewhere(job, style):
        asked.append((job, dict(style)))
        known = {"cmpl-1": {"style": [{"id": LETTERS, "digest": "", "weight": 0.4}]},
                 "cmpl-2": {"status": 429, "error": {"message": "full", "param": None, "code": "x"}}}  # fmt: skip
        return known.get(job)

    with start(ScriptedEngine(), catalogue=Catalogue(lambda: HERE), elsewhere=elsewhere) as client:
        answers = [client.post(f"/v1/completions/cmpl-{i}/style", json={"style": {"letters": 0.4}}) for i in range(3)]
    assert asked[1] == ("cmpl-1", {LETTERS: 0.4})
    assert [a.status_code for a in answers] == [404, 200, 429]


@pytest.fixture
def shelf(artifacts, tmp_path):
    """Makes a version: adapters on BASE unless told otherwise."""

    def make(name, content, alias=None, base=BASE, file="adapter_config.json"):
        folder = tmp_path / content
        folder.mkdir()
        (folder / file).write_text(content)
        return register(artifacts, name, folder, {"base": base}, alias)

    return make


def test_the_registry_decides_what_there_is_and_another_base_is_refused(artifacts, shelf):
    old, new = shelf("swords", "one"), shelf("swords", "two", "live")
    letters, _ = shelf("letters", "three", "live"), shelf("letters", "four", "draft")
    odd, whole = shelf("poems", "five", base="folder-9"), shelf("whole", "six", file="config.json")
    wanted = ("swords", "letters@live", "poems", "whole", "later")
    found = RegisteredAdapters(artifacts, wanted, MODEL, BASE).look()
    names = {model.id: set(model.aliases) for model in found.models}
    assert names == {
        old.id: set(), new.id: {"swords", "swords@live"}, letters.id: {"letters", "letters@live"}
    }  # fmt: skip
    assert all(m.adapter == m.id and m.parent == MODEL and len(m.digest) == 64 for m in found.models)
    assert "folder-9" in found.refused[odd.id]
    assert "no adapter" in found.refused[whole.id]
    assert "folder-9" in found.refused["poems"]


def test_an_alias_that_moved_is_followed_by_the_next_look(artifacts, shelf, start, engine):
    one, two = shelf("swords", "one", "live"), shelf("swords", "two")
    look = RegisteredAdapters(artifacts, ("swords@live",), MODEL, BASE).look
    with start(engine, catalogue=Catalogue(look, fresh_s=0.05)) as client:
        assert post(client, model="swords@live").json()["model"] == one.id
        Registry(artifacts.store).alias("swords", "live", two.digest)
        time.sleep(0.06)
        assert post(client, model="swords@live").json()["model"] == two.id
        assert post(client, model=one.id).status_code == 404, "only what the alias means now may be asked for"


def test_a_registry_that_does_not_answer_leaves_what_was_known(start, engine):
    answers = [HERE]

    def look():
        if not answers:
            raise StorageError("no answer")
        return answers.pop()

    with start(engine, catalogue=Catalogue(look, fresh_s=0)) as client:
        assert [post(client, model="swords").status_code for _ in range(3)] == [200] * 3

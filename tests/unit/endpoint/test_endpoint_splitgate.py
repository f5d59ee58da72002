"""The gate that divides requests between two versions: in one process, each version an application of its own."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing, contextmanager

import httpx
import pytest
from support.endpoint import ScriptedEngine, post, raw, running, until

from novelray.endpoint.app import create_app
from novelray.endpoint.canary import Split
from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.relay import answer, plain
from novelray.endpoint.settings import ServedModel, Settings
from novelray.endpoint.splitgate import ForwardError, SplitGate

OLD, NEW = "m@111111111111", "m@222222222222"
NAMES = ("m", "m@latest")


class Near:
    """The canary in the same process. Knows what the gate told it."""

    def __init__(self, app, weight):
        self.app, self.outcomes, self.problem = app, [], None
        self.split = None if weight is None else Split(stable=OLD, canary=NEW, names=NAMES, weight=weight, salt="x")

    def report(self, outcome):
        self.outcomes.append(outcome)

    async def run(self):
        await asyncio.Event().wait()

    async def forward(self, scope, body, send):
        if self.problem:
            raise self.problem
        async with aclosing(answer(self.app, plain(scope), body)) as messages:
            async for some in messages:
                for message in some:
                    await send(message)


@contextmanager
def divided(weight, old=None, new=None, keys=None):
    """(client, what the gate was told, engine of the stable version, engine of the canary)."""
    engines = old or ScriptedEngine(text="旧。"), new or ScriptedEngine(text="新。")
    apps = [
        create_app(engine, Settings(models=(ServedModel.of(name),), max_body_bytes=10_000), keys)
        for engine, name in zip(engines, (OLD, NEW), strict=True)
    ]
    near = Near(apps[1], weight)
    gate = SplitGate(apps[0], near, Settings(models=(ServedModel.of(OLD),), max_body_bytes=10_000), keys)
    with running(gate) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client, near, *engines


def ask(client, **body):
    return client.post("/v1/completions", json={"prompt": "a", **body})


@pytest.mark.parametrize(("weight", "expected"), [(None, OLD), (0.0, OLD), (1.0, NEW)])
def test_names_go_to_the_version_that_the_client_gets_and_ids_to_their_own(weight, expected):
    with divided(weight) as (client, near, *_):
        for body in ({}, {"model": "m"}, {"model": "m@latest", "stream": False}):
            assert ask(client, **body).json()["model"] == expected
        assert ask(client, model=OLD).json()["model"] == OLD
        if weight is not None:
            assert ask(client, model=NEW).json()["model"] == NEW
            until(lambda: [o.arm for o in near.outcomes][-2:] == ["stable", "canary"])
        assert client.post("/v1/tokenize", json={"prompt": "a"}).json()["model"] == expected
        assert client.get("/health").status_code == 200


def test_the_same_user_or_key_gets_the_same_version():
    with divided(0.5) as (client, *_):
        users = [f"u{i}" for i in range(40)]
        first = [ask(client, user=u).json()["model"] for u in users]
        assert first == [ask(client, user=u).json()["model"] for u in users]
        assert 8 < first.count(NEW) < 32
        keys = [{"Authorization": f"Bearer nr-{i}"} for i in range(20)]
        by_key = [
            [client.post("/v1/completions", json={"prompt": p}, headers=k).json()["model"] for k in keys] for p in "ab"
        ]
        assert by_key[0] == by_key[1]
        assert set(by_key[0]) == {OLD, NEW}


def test_a_stream_of_the_canary_is_whole_and_comes_piece_by_piece():
    with divided(1.0, new=ScriptedEngine(text="abcd", pause_s=0.05)) as (client, near, *_):
        with client.stream("POST", "/v1/completions", json={"prompt": "a", "stream": True}) as response:
            assert response.headers["x-accel-buffering"] == "no"
            lines = [line for line in response.iter_lines() if line]
        pieces = [json.loads(line[6:]) for line in lines[:-1]]
        assert "".join(p["choices"][0]["text"] for p in pieces) == "abcd"
        assert lines[-1] == "data: [DONE]"
        until(lambda: near.outcomes)
        assert near.outcomes[0].failed is False
        assert 0.03 < near.outcomes[0].first_s < 1


def test_a_client_that_leaves_a_stream_of_the_canary_frees_its_slot():
    endless = {"prompt": "a", "ignore_eos": True, "max_tokens": 100_000, "stream": True}
    with divided(1.0, new=ScriptedEngine(pause_s=0.01)) as (client, _, _, new):
        with client.stream("POST", "/v1/completions", json=endless) as response:
            lines = response.iter_lines()  # held: the response closes with it
            next(lines)
            assert len(new.running) == 1
        until(lambda: not new.running, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_canary_that_cannot_answer_costs_its_client_nothing_and_is_counted(stream):
    with divided(1.0) as (client, near, *_):
        near.problem = ForwardError("gone")
        answer_ = ask(client, stream=stream)
        assert answer_.status_code == 200
        assert OLD in answer_.text
        until(lambda: [(o.arm, o.failed) for o in near.outcomes] == [("canary", True), ("stable", False)])
        assert ask(client, model=NEW).status_code == 503, "nobody else may write under its id"
        near.outcomes.pop()
        near.problem = ForwardError("full", busy=True)
        ask(client)
        until(lambda: len(near.outcomes) > 2)
        assert [(o.arm, o.failed) for o in near.outcomes[2:]] == [("stable", False)], "to be full is no fault"


def test_what_fails_in_the_stream_counts_and_what_a_client_did_wrong_does_not():
    with divided(0.0, old=ScriptedEngine(text="abcd", fail_at=2)) as (client, near, *_):
        assert ask(client, temperature=9).status_code == 422
        assert ask(client, model="nobody").status_code == 404
        assert client.post("/v1/completions", content=b"{").status_code == 400
        assert client.post("/v1/completions", content=b"[" * 9_000).status_code == 400
        assert ask(client, user="a" * 20_000).status_code == 413
        assert not near.outcomes
        assert "error" in ask(client, stream=True).text
        assert ask(client).status_code == 500
        until(lambda: len(near.outcomes) == 2)
        assert [o.failed for o in near.outcomes] == [True, True]


@pytest.mark.parametrize("weight", [0.0, 1.0])
@pytest.mark.parametrize("key", [None, "Authorization: Bearer nr-wrong"])
def test_a_client_without_a_valid_key_is_refused_before_its_body_is_read(tmp_path, weight, key):
    endless = post("/v1/completions", b"", "Transfer-Encoding: chunked", *([key] if key else []))
    large = post("/v1/completions", b"", "Content-Length: 9000", *([key] if key else []))
    with divided(weight, keys=KeyStore(default_url(tmp_path))) as (client, near, old, new):
        for begun in (endless, endless + b"5\r\nabcde\r\n", large):  # none of them ever ends
            assert b"401 Unauthorized" in raw(str(client.base_url).rstrip("/"), begun, timeout_s=5)
        assert (near.outcomes, old.requests, new.requests) == ([], [], [])


@pytest.mark.parametrize(("weight", "expected"), [(0.0, OLD), (1.0, NEW)])
def test_a_client_with_a_key_is_divided_and_held_to_the_size_limit(tmp_path, weight, expected):
    keys = KeyStore(default_url(tmp_path))
    key = {"Authorization": f"Bearer {keys.create('ada')[0]}"}
    with divided(weight, keys=keys) as (client, *_):
        assert client.post("/v1/completions", json={"prompt": "a"}, headers=key).json()["model"] == expected
        large = client.post("/v1/completions", json={"prompt": "a" * 20_000}, headers=key)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")

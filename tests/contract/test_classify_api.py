"""Texts are classified over HTTP by a real model with heads, behind the same door as everything else."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from support.endpoint import ScriptedEngine, running
from support.tiny import tiny_llama

from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.settings import ServedModel, Settings

MODEL = "tiny@0123456789ab"
TEXTS = ["山雨欲来风满楼", "The rain fell on the river town"]
PATHS = ["/v1/classify", "/classify"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model with two heads of random weights."""
    import torch

    from novelray.models.heads import Head, write_heads

    folder = tiny_llama(tmp_path_factory.mktemp("heads"), context=64)
    random = torch.Generator().manual_seed(4)
    write_heads([
        Head(name, name, classes, torch.randn(len(classes), 32, generator=random), torch.zeros(len(classes)))
        for name, classes in (("style", ("plain", "rich", "terse")), ("mood", ("glad", "sad")))
    ], folder)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def client(folder, tmp_path_factory):
    """A client with a key to the engine as a replica loads it."""
    from novelray.onray.replica import ReplicaSettings
    from serve.engine import load_engine

    section = {"max_batch": 2, "max_queue": 2}
    loaded = load_engine(
        ReplicaSettings(source=f"folder:{folder}", version=MODEL, device="cpu", threads=1, serve=section)
    )
    keys = KeyStore(default_url(tmp_path_factory.mktemp("home")))
    secret, _ = keys.create("test")
    headers = {"Authorization": f"Bearer {secret}"}
    with (
        running(create_app(loaded.engine, Settings(models=(ServedModel.of(MODEL),)), keys)) as url,
        httpx.Client(base_url=url, headers=headers, timeout=60) as found,
    ):
        yield found


@pytest.mark.parametrize("path", PATHS)
def test_each_text_gets_the_label_that_the_head_gives_it(client, folder, path):
    import torch

    from novelray.generate.prompts import Prompts
    from novelray.models.heads import classify, read_heads
    from novelray.models.load import load_for_serving

    model, tokenizer = load_for_serving(folder, None, "cpu")
    answer = client.post(path, json={"model": "tiny", "input": TEXTS, "task": "style"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["object"], body["model"], body["task"]) == ("list", MODEL, "style")
    for index, (text, item) in enumerate(zip(TEXTS, body["data"], strict=True)):
        expected = classify(model, read_heads(folder), Prompts(tokenizer).encode(text))["style"]
        torch.testing.assert_close(torch.tensor(item["probs"]), torch.tensor(expected), atol=1e-5, rtol=0)
        assert sum(item["probs"]) == pytest.approx(1, abs=1e-5)
        assert item["label"] == body["classes"][expected.index(max(expected))]
        assert (item["index"], item["num_classes"]) == (index, 3)
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] > 0


def test_one_text_and_token_ids_are_inputs_too(client):
    ids = client.post("/v1/tokenize", json={"prompt": TEXTS[0]}).json()["tokens"]
    found = [
        client.post("/v1/classify", json={"input": given, "task": "mood"}).json()["data"]
        for given in (TEXTS[0], ids, [ids])
    ]
    assert found[0] == found[1] == found[2]


def test_the_list_of_models_says_what_can_be_asked(client):
    card = client.get("/v1/models").json()["data"][0]
    assert card["tasks"] == {"style": ["plain", "rich", "terse"], "mood": ["glad", "sad"]}


@pytest.mark.parametrize("path", PATHS)
def test_a_key_is_needed(client, path):
    assert httpx.post(client.base_url.join(path), json={"input": "a"}).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"input": "a"}, 422, "invalid_value", "task"),  # which of the two?
        ({"input": "a", "task": "tone"}, 404, "task_not_found", "task"),
        ({"input": "a", "task": "style", "model": "other"}, 404, "model_not_found", "model"),
        ({"task": "style"}, 422, "invalid_value", "input"),
        ({"input": "", "task": "style"}, 422, "invalid_value", "input"),
        ({"input": [], "task": "style"}, 422, "invalid_value", "input"),
        ({"input": ["a"] * 5, "task": "style"}, 422, "invalid_value", "input"),
        ({"input": [99999999], "task": "style"}, 422, "invalid_value", "input"),
        ({"input": "雨" * 100, "task": "style"}, 400, "context_length_exceeded", "input"),
        ({"input": "雨" * 10000, "task": "style"}, 400, "context_length_exceeded", "input"),
    ],
)
def test_what_cannot_be_classified_is_told_with_the_field(client, body, status, code, param):
    answer = client.post("/v1/classify", json=body)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (
        status,
        code,
        param,
    )


def test_texts_are_classified_while_others_are_written(client):
    asked = {"prompt": "a", "max_tokens": 40, "stream": True, "ignore_eos": True, "seed": 1}

    def written():
        with client.stream("POST", "/v1/completions", json=asked) as stream:
            yield from (line for line in stream.iter_lines() if '"text"' in line)

    def whole(lines):
        return "".join(json.loads(line.removeprefix("data: "))["choices"][0]["text"] for line in lines)

    alone = whole(written())
    beside = []
    for line in written():
        beside.append(line)
        if len(beside) == 2:
            assert client.post("/v1/classify", json={"input": TEXTS, "task": "mood"}).status_code == 200
    assert len(beside) > 5
    assert whole(beside) == alone


def test_a_model_without_heads_says_so():
    with running(create_app(ScriptedEngine(), Settings(models=(ServedModel.of(MODEL),)), None)) as url:
        answer = httpx.post(f"{url}/v1/classify", json={"input": "a"})
        assert "tasks" not in httpx.get(f"{url}/v1/models").json()["data"][0]
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "task_not_found")
    assert "train.tasks" in answer.json()["error"]["message"]


def test_an_engine_that_is_full_or_closed_takes_no_text(folder):
    from novelray.generate.embedded import EmbeddedEngine
    from novelray.generate.protocol import EngineError, QueueFullError
    from novelray.models.heads import read_heads
    from novelray.models.load import load_for_serving

    async def fill():
        engine = EmbeddedEngine(
            *load_for_serving(folder, None, "cpu"), max_batch=1, max_queue=1, heads=read_heads(folder)
        )
        found = await asyncio.gather(*(engine.classify((5, 6)) for _ in range(9)), return_exceptions=True)
        await engine.close()
        with pytest.raises(EngineError, match="closing"):
            await engine.classify((5, 6))
        return found

    found = asyncio.run(fill())
    refused = [one for one in found if isinstance(one, QueueFullError)]
    assert refused
    assert all("style" in one for one in found if one not in refused)

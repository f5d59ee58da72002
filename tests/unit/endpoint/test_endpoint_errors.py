"""What bad requests get: a status, an OpenAI error body with the field named, and never a 500."""

from __future__ import annotations

import json
import time

import pytest
from support.endpoint import ScriptedEngine, is_idle, post, raw, until

CHAT = {"messages": [{"role": "user", "content": "a"}]}


def error_of(response):
    """The error of an answer, checked to have the four keys that clients read."""
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/completions", {}, "prompt"),
        ("/v1/completions", {"prompt": ""}, "prompt"),
        ("/v1/completions", {"prompt": []}, "prompt"),
        ("/v1/completions", {"prompt": [1, "a"]}, "prompt"),
        ("/v1/completions", {"prompt": [-1]}, "prompt"),
        ("/v1/completions", {"prompt": [0x110000]}, "prompt"),
        ("/v1/completions", {"prompt": [0x110000], "echo": True}, "prompt"),
        ("/v1/completions", {"prompt": "a", "temperature": 9}, "temperature"),
        ("/v1/completions", {"prompt": "a", "temperature": "hot"}, "temperature"),
        ("/v1/completions", {"prompt": "a", "top_p": -0.1}, "top_p"),
        ("/v1/completions", {"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ("/v1/completions", {"prompt": "a", "n": 0}, "n"),
        ("/v1/completions", {"prompt": "a", "n": 17}, "n"),
        ("/v1/completions", {"prompt": "a", "stop": [1]}, "stop"),
        ("/v1/completions", {"prompt": "a", "logprobs": 99}, "logprobs"),
        ("/v1/completions", {"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias"),
        ("/v1/completions", {"prompt": "a", "logit_bias": {"99999999": 1}}, "logit_bias"),
        ("/v1/completions", {"prompt": "a", "seed": 10**30}, "seed"),
        ("/v1/chat/completions", {"messages": []}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": ""}]}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "wizard", "content": "a"}]}, "messages"),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages"),
        ("/v1/chat/completions", CHAT | {"top_logprobs": 21}, "top_logprobs"),
    ],
)
def test_a_bad_value_is_422_and_names_the_field(client, path, body, param):
    response = client.post(path, json=body)
    assert response.status_code == 422, response.text
    assert error_of(response)["param"] == param


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b'"x"',
        b"null",
        b'{"prompt": "\xff\xfe"}',
        b"\xff",
        b"[" * 100_000,
        b'{"prompt": ' + b"[" * 100_000,
        b'{"prompt": "a", "n": 1' + b"0" * 5000 + b"}",
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": "a", "temperature": 1e999}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "a", "stop": "\\udfff"}',
        b'{"prompt": {"a": 1}}',
        b'{"prompt": "a", "model": "\\u0000"}',
    ],
)
def test_malformed_bodies_are_the_callers_fault_not_ours(client, body):
    response = client.post("/v1/completions", content=body, headers={"Content-Type": "application/json"})
    assert response.status_code in (400, 404, 422), response.text
    error_of(response)


def test_an_unknown_model_is_404_with_the_valid_ids(client):
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "gpt-9"})
    assert response.status_code == 404
    assert error_of(response)["code"] == "model_not_found"
    assert "wuxia@0123456789ab" in error_of(response)["message"]


def test_a_prompt_longer_than_the_context_is_400_with_the_usual_code(client):
    for count in (200, 200 * 64 + 1):
        response = client.post("/v1/completions", json={"prompt": "a" * count})
        assert response.status_code == 400
        assert error_of(response)["code"] == "context_length_exceeded"
    chat = {"messages": [{"role": "user", "content": "a" * 200}]}
    assert error_of(client.post("/v1/chat/completions", json=chat))["param"] == "messages"
    assert client.post("/v1/completions", json={"prompt": "a" * 199}).status_code == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/v1/none", 404), ("GET", "/v1/completions", 405)])
def test_wrong_paths_and_methods_have_error_bodies_too(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    error_of(response)


@pytest.mark.parametrize("stream", [False, True])
def test_a_full_queue_is_429_with_the_time_to_come_back(start, stream):
    with start(ScriptedEngine(max_batch=0, max_queue=0)) as client:
        response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
        assert response.status_code == 422  # one request asks for more than fits, ever
    engine = ScriptedEngine(max_batch=1, max_queue=0)
    engine.running.add("someone else's")
    with start(engine) as client:
        response = client.post("/v1/chat/completions", json={**CHAT, "stream": stream})
    assert response.status_code == 429
    assert response.headers["retry-after"] == "1"
    assert error_of(response)["code"] == "rate_limit_exceeded"


def test_an_engine_that_breaks_before_the_first_text_is_500_without_its_insides(start):
    with start(ScriptedEngine(fail_at=0)) as client:
        response = client.post("/v1/completions", json={"prompt": "a"})
    assert response.status_code == 500
    assert "broke" not in error_of(response)["message"]


def test_an_engine_that_breaks_midway_says_so_in_the_stream(start):
    with start(ScriptedEngine(fail_at=2)) as client:
        response = client.post("/v1/completions", json={"prompt": "a", "stream": True})
    assert response.status_code == 200
    last = response.text.strip().split("\n\n")[-1]
    assert json.loads(last.removeprefix("data: "))["error"]["type"] == "server_error"
    assert "[DONE]" not in response.text


def test_a_body_over_the_limit_is_413_with_and_without_a_length(start):
    with start(ScriptedEngine(), max_body_bytes=1000) as client:
        url = str(client.base_url).rstrip("/")
        long = json.dumps({"prompt": "a" * 2000})
        assert error_of(client.post("/v1/completions", content=long))["code"] == "body_too_large"

        def blocks():
            yield from (long[i : i + 100].encode() for i in range(0, len(long), 100))

        chunked = client.post("/v1/completions", content=blocks(), headers={"Content-Type": "application/json"})
        assert chunked.status_code == 413
        endless = post("/v1/completions", b"ffff\r\n" + b"a" * 0xFFFF + b"\r\n", "Transfer-Encoding: chunked")
        assert b" 413 " in raw(url, endless)
        assert b" 413 " in raw(url, post("/v1/completions", b"", "Content-Length: 99999999999"))
        assert client.post("/v1/completions", json={"prompt": "a"}).status_code == 200


def test_a_body_that_does_not_arrive_is_408(start):
    with start(ScriptedEngine(), body_timeout_s=0.3) as client:
        url = str(client.base_url).rstrip("/")
        began = time.monotonic()
        assert b" 408 " in raw(url, post("/v1/completions", b'{"pro', "Content-Length: 100"))
        assert time.monotonic() - began < 3


def test_raw_abuse_never_gives_a_500_nor_keeps_a_slot(start):
    with start(ScriptedEngine(pause_s=0.01), body_timeout_s=0.5, max_body_bytes=10_000) as client:
        url = str(client.base_url).rstrip("/")
        whole = post("/v1/completions", b'{"prompt": "a", "ignore_eos": true, "max_tokens": 50, "stream": true}')
        answers = [
            raw(url, b"\x16\x03\x01\x02\x00\x01\x00"),
            raw(url, b"POST /v1/completions HTTP/1.1\r\n\r\n"),
            raw(url, b"GET " + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
            raw(url, post("/v1/completions", b"{}", "Content-Length: -1")),
            raw(url, post("/v1/completions", b"zz\r\n", "Transfer-Encoding: chunked")),
            raw(url, whole[:40], half_close=True),
            raw(url, whole, half_close=True),
            raw(url, whole[:-10], half_close=True),
            raw(url, *[whole[i : i + 1] for i in range(len(whole))], timeout_s=2),
        ]
        assert b"[DONE]" in answers[-1], "a slow writer gets its answer"
        assert not any(b" 500 " in a.split(b"\r\n")[0] for a in answers if a)
        until(lambda: is_idle(url))


def test_a_closing_server_is_not_ready(client, engine):
    assert client.get("/ready").json()["status"] == "ready"
    engine.capacity = lambda: (_ for _ in ()).throw(RuntimeError("closed"))
    response = client.get("/ready")
    assert response.status_code == 503
    assert error_of(response)["code"] == "not_ready"
    assert client.get("/health").status_code == 200

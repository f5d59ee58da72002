"""What the endpoint answers: bodies, streams, usage, logprobs, seeds, provenance."""

from __future__ import annotations

import json

import pytest
from support.endpoint import ScriptedEngine

MODEL = "wuxia@0123456789ab"
TEXT = "山雨欲来。"


def events(response):
    """The data of each event of a stream."""
    return [line.removeprefix("data: ") for line in response.text.split("\n\n") if line.startswith("data: ")]


def test_a_completion_carries_the_immutable_id_usage_and_provenance(client):
    body = client.post("/v1/completions", json={"model": "wuxia", "prompt": "从前", "seed": 7}).json()
    assert body["model"] == MODEL
    assert body["object"] == "text_completion"
    end = {"finish_reason": "stop", "stop_reason": None}
    assert body["choices"] == [{"index": 0, "text": TEXT, "logprobs": None, **end}]
    assert body["usage"].items() >= {"prompt_tokens": 2, "completion_tokens": 5, "total_tokens": 7}.items()
    assert body["novelray"]["version"] == MODEL
    assert body["novelray"]["seed"] == 7


@pytest.mark.parametrize("name", [MODEL, "wuxia", "wuxia@latest", None])
def test_every_name_of_a_model_leads_to_the_same_id(client, name):
    assert client.post("/v1/completions", json={"model": name, "prompt": "a"}).json()["model"] == MODEL


def test_models_are_listed_with_their_ids_and_found_by_alias(client):
    listed = client.get("/v1/models").json()
    assert [m["id"] for m in listed["data"]] == [MODEL]
    assert client.get("/v1/models/wuxia@latest").json()["id"] == MODEL
    assert client.get("/v1/models/other").status_code == 404


def test_a_chat_answer_is_a_message(client, engine):
    messages = [
        {"role": "developer", "content": "Write."},
        {"role": "user", "content": [{"type": "text", "text": "从"}, {"type": "text", "text": "前"}]},
    ]
    body = client.post("/v1/chat/completions", json={"model": "wuxia", "messages": messages}).json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"] == {"role": "assistant", "content": TEXT}
    assert engine.requests[0].prompt_ids == engine.encode("Write.\n从前")


def test_a_stream_has_one_event_per_piece_and_ends_with_done(client):
    response = client.post("/v1/completions", json={"prompt": "从前", "stream": True})
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["cache-control"] == "no-cache"
    *pieces, done = events(response)
    assert done == "[DONE]"
    parsed = [json.loads(p) for p in pieces]
    assert "".join(p["choices"][0]["text"] for p in parsed) == TEXT
    assert [p["choices"][0]["finish_reason"] for p in parsed] == [None] * 4 + ["stop"]
    assert {p["id"] for p in parsed} == {parsed[0]["id"]}
    assert "novelray" in parsed[0]
    assert parsed[-1]["usage"]["total_tokens"] == 7


def test_include_usage_adds_a_last_chunk_without_choices(client):
    asked = {"messages": [{"role": "user", "content": "a"}], "stream": True, "stream_options": {"include_usage": True}}
    *pieces, last, _ = events(client.post("/v1/chat/completions", json=asked))
    last = json.loads(last)
    assert last["choices"] == []
    assert last["usage"].items() >= {"prompt_tokens": 1, "completion_tokens": 5, "total_tokens": 6}.items()
    assert all(json.loads(p)["usage"] is None for p in pieces[1:])
    assert json.loads(pieces[0])["choices"][0]["delta"]["role"] == "assistant"


def test_n_choices_have_seeds_that_follow_each_other(client, engine):
    body = client.post("/v1/completions", json={"prompt": ["a", "b"], "n": 2, "seed": 5}).json()
    assert [c["index"] for c in body["choices"]] == [0, 1, 2, 3]
    asked = sorted((r.prompt_ids, r.sampling.seed) for r in engine.requests)
    assert asked == [((97,), 5), ((97,), 6), ((98,), 5), ((98,), 6)]
    assert body["usage"].items() >= {"prompt_tokens": 2, "completion_tokens": 20, "total_tokens": 22}.items()


def test_without_a_seed_one_is_drawn_and_told(client, engine):
    seeds = {client.post("/v1/completions", json={"prompt": "a"}).json()["novelray"]["seed"] for _ in range(3)}
    assert len(seeds) == 3
    assert {r.sampling.seed for r in engine.requests} == seeds


@pytest.mark.parametrize("prompt", ["ab", ["ab"], [97, 98], [[97, 98]]])
def test_a_prompt_comes_as_text_or_as_token_ids(client, engine, prompt):
    body = client.post("/v1/completions", json={"prompt": prompt, "echo": True}).json()
    assert body["choices"][0]["text"] == "ab" + TEXT
    assert engine.requests[0].prompt_ids == (97, 98)


def test_echo_opens_a_stream(client):
    response = client.post("/v1/completions", json={"prompt": "ab", "echo": True, "stream": True})
    texts = [json.loads(e)["choices"][0]["text"] for e in events(response)[:-1]]
    assert texts[0] == "ab"
    assert "".join(texts) == "ab" + TEXT


@pytest.mark.parametrize("stream", [False, True])
def test_legacy_logprobs_are_four_lists_with_running_offsets(client, stream):
    response = client.post("/v1/completions", json={"prompt": "a", "logprobs": 2, "stream": stream})
    bodies = [json.loads(e) for e in events(response)[:-1]] if stream else [response.json()]
    lists = [b["choices"][0]["logprobs"] for b in bodies]
    assert [t for found in lists for t in found["tokens"]] == list(TEXT)
    assert [o for found in lists for o in found["text_offset"]] == [0, 1, 2, 3, 4]
    assert lists[0]["token_logprobs"][0] == -0.5
    assert lists[0]["top_logprobs"][0] == {"山": -0.5, "x": -9999.0}


def test_chat_logprobs_have_their_own_form(client):
    asked = {"messages": [{"role": "user", "content": "a"}], "logprobs": True, "top_logprobs": 1}
    first = client.post("/v1/chat/completions", json=asked).json()["choices"][0]["logprobs"]["content"][0]
    assert first["token"] == "山"
    assert bytes(first["bytes"]).decode() == "山"
    assert first["top_logprobs"] == [{"token": "山", "logprob": -0.5, "bytes": list("山".encode())}]


def test_sampler_fields_reach_the_engine_and_unknown_ones_are_tolerated(client, engine):
    asked = {
        "prompt": "a", "temperature": 0.7, "top_k": -1, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 1.1,
        "presence_penalty": 0.5, "frequency_penalty": -0.5, "stop": ["完", ""], "max_tokens": 3,
        "logit_bias": {"5": -100}, "ignore_eos": None,
        "dry_multiplier": 0.8, "dry_sequence_breakers": '["\\n"]', "mirostat_mode": 0, "n": None,
    }  # fmt: skip
    answer = client.post("/v1/completions", json=asked).json()
    sampling = engine.requests[0].sampling
    assert (sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p) == (0.7, 0, 0.9, 0.05)
    assert (sampling.repetition_penalty, sampling.presence_penalty, sampling.frequency_penalty) == (1.1, 0.5, -0.5)
    assert sampling.stop == ("完",)
    assert sampling.max_tokens == 3
    assert sampling.logit_bias == {5: -100}
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["novelray"]["sampling"]["min_p"] == 0.05


def test_max_completion_tokens_goes_before_max_tokens(client, engine):
    asked = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 4, "max_completion_tokens": 2}
    client.post("/v1/chat/completions", json=asked)
    assert engine.requests[0].sampling.max_tokens == 2


def test_tokenize_counts_what_a_prompt_would_cost(client):
    body = client.post("/v1/tokenize", json={"prompt": "从前"}).json()
    assert (body["count"], body["max_model_len"], body["tokens"]) == (2, 200, [ord("从"), ord("前")])
    chat = client.post("/v1/tokenize", json={"messages": [{"role": "user", "content": "abc"}]}).json()
    assert chat["count"] == 3
    assert client.post("/v1/tokenize", json={}).status_code == 422


def test_line_separators_inside_a_text_do_not_tear_an_event(start):
    with start(ScriptedEngine(text="a\u2028b\x85c\n\nd")) as client:
        response = client.post("/v1/completions", json={"prompt": "a", "stream": True})
    assert "\u2028" not in response.text
    assert "".join(json.loads(e)["choices"][0]["text"] for e in events(response)[:-1]) == "a\u2028b\x85c\n\nd"

"""The official OpenAI client, unmodified, against the endpoint with a real engine and a real (tiny) model."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
from support.endpoint import is_idle, until

from novelray.generate.reading import count

MODEL = "tiny@0123456789ab"
LONG = {"ignore_eos": True}
CHAT = [{"role": "user", "content": "山雨欲来"}]


@pytest.fixture
def client(server):
    url, key = server
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as found:
        yield found
    until(lambda: is_idle(url), 20)


def test_the_client_lists_and_retrieves_models(client):
    assert [m.id for m in client.models.list()] == [MODEL]
    assert client.models.retrieve("tiny@latest").id == MODEL


def test_a_completion_is_parsed_with_usage(client):
    done = client.completions.create(model="tiny", prompt="山雨", max_tokens=12, extra_body=LONG)
    assert done.model == MODEL
    assert done.choices[0].finish_reason == "length"
    assert done.usage.completion_tokens == 12
    assert done.usage.total_tokens == done.usage.prompt_tokens + 12
    assert done.model_extra["novelray"]["version"] == MODEL


def test_a_chat_is_parsed(client):
    done = client.chat.completions.create(model=MODEL, messages=CHAT, max_tokens=5, extra_body=LONG)
    assert done.choices[0].message.role == "assistant"
    assert done.choices[0].finish_reason == "length"


@pytest.mark.parametrize("usage", [False, True])
def test_a_streamed_text_equals_the_whole_one_for_the_same_seed(client, usage):
    asked = {"model": MODEL, "prompt": "山雨欲来", "max_tokens": 40, "seed": 11, "extra_body": LONG}
    whole = client.completions.create(**asked)
    pieces = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": usage}))
    assert "".join(p.choices[0].text for p in pieces if p.choices) == whole.choices[0].text
    assert pieces[-1].usage == whole.usage
    assert (pieces[-1].choices == []) is usage


def test_a_chat_streams(client):
    pieces = list(
        client.chat.completions.create(model=MODEL, messages=CHAT, max_tokens=60, stream=True, extra_body=LONG)
    )
    assert pieces[0].choices[0].delta.role == "assistant"
    assert pieces[-1].choices[0].finish_reason == "length"
    assert len(pieces) > 5


def test_the_seed_that_is_told_makes_the_same_text_again(client):
    first = client.completions.create(model=MODEL, prompt="江湖", max_tokens=30, extra_body=LONG)
    seed = first.model_extra["novelray"]["seed"]
    again = client.completions.create(model=MODEL, prompt="江湖", max_tokens=30, seed=seed, extra_body=LONG)
    assert again.choices[0].text == first.choices[0].text


def test_n_choices_differ_and_are_those_of_the_seeds_that_follow(client):
    done = client.completions.create(model=MODEL, prompt="江湖", max_tokens=30, n=3, seed=5, extra_body=LONG)
    texts = [c.text for c in done.choices]
    assert len(set(texts)) == 3
    second = client.completions.create(model=MODEL, prompt="江湖", max_tokens=30, seed=6, extra_body=LONG)
    assert second.choices[0].text == texts[1]


def test_stop_strings_end_the_text_before_them(client):
    asked = {"model": MODEL, "prompt": "江湖", "max_tokens": 60, "seed": 3, "extra_body": LONG}
    text = client.completions.create(**asked).choices[0].text
    stop = text[len(text) // 2 : len(text) // 2 + 2]
    done = client.completions.create(**asked, stop=[stop, "no such words"])
    assert done.choices[0].text == text[: text.index(stop)]
    assert done.choices[0].finish_reason == "stop"
    streamed = list(client.completions.create(**asked, stop=stop, stream=True))
    assert "".join(p.choices[0].text for p in streamed) == done.choices[0].text


def test_the_samplers_of_fiction_reach_the_engine_and_are_told(client):
    fields = {"dry_multiplier": 0.8, "xtc_probability": 0.5, "typical_p": 0.9, "max_chars": 25, "stop_on_loop": True}
    asked = {"model": MODEL, "prompt": "山雨欲来", "seed": 3, "extra_body": {**LONG, **fields}}
    done = client.completions.create(**asked)
    assert count(done.choices[0].text) == 25
    assert (done.choices[0].finish_reason, done.choices[0].model_extra["stop_reason"]) == ("length", None)
    told = done.model_extra["novelray"]["sampling"]
    assert (told["dry_multiplier"], told["xtc_probability"], told["max_chars"], told["loop_repeats"]) == (
        0.8,
        0.5,
        25,
        4,
    )
    plain = client.completions.create(**asked | {"extra_body": {**LONG, "max_chars": 25}})
    assert plain.choices[0].text != done.choices[0].text


@pytest.mark.parametrize("stream", [False, True])
def test_what_ended_a_text_is_told(client, stream):
    def end(**more):
        fields = {"logit_bias": {str(unit): 100}, "max_tokens": 60, **LONG, **more}
        done = client.completions.create(model=MODEL, prompt="江湖", stream=stream, extra_body=fields)
        last = list(done)[-1].choices[0] if stream else done.choices[0]
        return last.finish_reason, last.model_extra["stop_reason"]

    unit = next(iter(httpx_tokens(client, "a")))
    assert end(stop="aaa") == ("stop", "aaa")
    assert end(stop_token_ids=[unit]) == ("stop", unit)
    assert end(stop_on_loop=True) == ("stop", "loop")
    assert end() == ("length", None)


def test_logprobs_come_in_both_forms_and_fit_the_text(client):
    legacy = client.completions.create(model=MODEL, prompt="江湖", max_tokens=5, logprobs=3, extra_body=LONG)
    lists = legacy.choices[0].logprobs
    assert len(lists.tokens) == len(lists.token_logprobs) == len(lists.text_offset) == 5
    assert all(len(top) <= 4 and max(top.values()) <= 0 for top in lists.top_logprobs)
    chat = client.chat.completions.create(
        model=MODEL, messages=CHAT, max_tokens=5, logprobs=True, top_logprobs=2, temperature=0, extra_body=LONG
    )
    for entry in chat.choices[0].logprobs.content:
        assert entry.logprob == pytest.approx(max(t.logprob for t in entry.top_logprobs), abs=1e-4)


def test_echo_repeats_the_prompt(client):
    for prompt in ("江湖夜雨", list(httpx_tokens(client, "江湖夜雨"))):
        done = client.completions.create(model=MODEL, prompt=prompt, max_tokens=3, echo=True, extra_body=LONG)
        assert done.choices[0].text.startswith("江湖夜雨")


@pytest.mark.parametrize("limit", [0, 1, 4])
@pytest.mark.parametrize("stream", [False, True])
def test_echo_with_logprobs_scores_the_prompt_as_evaluation_tools_ask_for_it(client, limit, stream):
    prompt = list(httpx_tokens(client, "江湖夜雨十年灯"))
    done = client.completions.create(
        model=MODEL, prompt=prompt, max_tokens=limit, echo=True, logprobs=1, temperature=0, stream=stream,
        extra_body=LONG,
    )  # fmt: skip
    choices = [c for piece in done for c in piece.choices] if stream else done.choices
    text = "".join(c.text for c in choices)
    lists = [c.logprobs for c in choices if c.logprobs]
    logprobs = [value for found in lists for value in found.token_logprobs]
    top = [value for found in lists for value in found.top_logprobs]
    tokens = [value for found in lists for value in found.tokens]
    offsets = [value for found in lists for value in found.text_offset]
    assert text.startswith("江湖夜雨十年灯")
    assert len(logprobs) == len(prompt) + limit
    assert (logprobs[0], top[0]) == (None, None)
    assert all(value <= 0 for value in logprobs[1:])
    assert all(max(t.values()) >= value - 1e-4 for t, value in zip(top[1:], logprobs[1:], strict=True))
    assert offsets[0] == 0
    assert offsets[len(prompt) :] == [len("江湖夜雨十年灯") + sum(map(len, tokens[len(prompt) : at]))
                                      for at in range(len(prompt), len(tokens))]  # fmt: skip
    if not stream:
        assert done.usage.completion_tokens == limit
        assert choices[0].finish_reason == "length"


def httpx_tokens(client, text):
    """Token ids by way of /v1/tokenize."""
    headers = {"Authorization": f"Bearer {client.api_key}"}
    return httpx.post(f"{client.base_url}tokenize", json={"prompt": text}, headers=headers).json()["tokens"]


def test_a_wrong_key_raises_the_clients_own_error(server):
    with openai.OpenAI(base_url=f"{server[0]}/v1", api_key="nr-wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as caught:
            stranger.models.list()
        assert caught.value.code == "invalid_api_key"


def test_an_unknown_model_raises_not_found_with_the_valid_ids(client):
    with pytest.raises(openai.NotFoundError, match=MODEL):
        client.completions.create(model="gpt-9", prompt="a")


def test_a_prompt_longer_than_the_context_raises_bad_request(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt="江湖 " * 6000)
    assert caught.value.code == "context_length_exceeded"
    with pytest.raises(openai.BadRequestError):
        client.completions.create(model=MODEL, prompt=[5] * 4096)


def test_token_ids_beyond_the_vocabulary_are_refused_and_break_nothing(client):
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.completions.create(model=MODEL, prompt=[5, 10**6])
    assert caught.value.param == "prompt"
    with pytest.raises(openai.UnprocessableEntityError):
        client.completions.create(model=MODEL, prompt="a", logit_bias={"1000000": 5})
    assert client.completions.create(model=MODEL, prompt=[5], max_tokens=1).choices


def test_a_closed_stream_frees_its_slot(client, server):
    stream = client.completions.create(model=MODEL, prompt="江湖", max_tokens=4000, stream=True, extra_body=LONG)
    next(iter(stream))
    assert not is_idle(server[0])
    stream.close()
    until(lambda: is_idle(server[0]), 2)


def test_a_full_queue_is_429_and_the_clients_retries_get_through(server):
    url, key = server
    asked = {"model": MODEL, "prompt": "江湖", "max_tokens": 60, "extra_body": LONG}
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as client:
        streams = [client.completions.create(**{**asked, "max_tokens": 4000}, stream=True) for _ in range(8)]
        with pytest.raises(openai.RateLimitError) as caught:
            client.completions.create(**asked)
        wait = int(caught.value.response.headers["retry-after"])
        assert wait >= 1
        patient = client.with_options(max_retries=5)
        began = time.monotonic()
        with ThreadPoolExecutor(1) as pool:
            later = pool.submit(patient.completions.create, **asked)
            time.sleep(0.3)
            for stream in streams:
                stream.close()
            assert later.result(60).choices
        assert time.monotonic() - began >= wait * 0.5, "the client came back before it was told to"
    until(lambda: is_idle(url), 10)


def test_fifty_clients_over_a_small_queue_all_get_an_answer_or_a_429(server):
    url, key = server

    async def all_of_them():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as client:
            asked = [
                client.completions.create(model=MODEL, prompt="江湖", max_tokens=30, extra_body=LONG) for _ in range(50)
            ]
            return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(all_of_them())
    answered = [f for f in found if not isinstance(f, BaseException)]
    refused = [f for f in found if isinstance(f, openai.RateLimitError)]
    assert len(answered) + len(refused) == 50
    assert len(answered) >= 8
    assert refused
    until(lambda: is_idle(url))


def test_the_async_client_streams(server):
    url, key = server

    async def read():
        async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=key) as client:
            stream = await client.chat.completions.create(
                model=MODEL, messages=CHAT, max_tokens=10, stream=True, extra_body=LONG
            )
            return [piece async for piece in stream]

    assert asyncio.run(read())[-1].choices[0].finish_reason == "length"


def examples(language):
    """The requests of docs/serving.md in a language, but those that ask a head, which the tiny model has not."""
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", page, re.S | re.M)
    return [b for b in blocks if "classify" not in b and ("curl" in b or language == "python")]


def at(server, text, home):
    """An example with this server's address, its key where a person has it, and this model's name."""
    (home / ".novelray").mkdir(exist_ok=True)
    (home / ".novelray" / "api-key").write_text(server[1])
    return text.replace("http://127.0.0.1:8000", server[0]).replace("my-novel", "tiny")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_curl_examples_of_the_documentation_run(server, tmp_path):
    script = at(server, "set -e\n" + "\n".join(f"{e}\necho" for e in examples("bash")), tmp_path)
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)}
    )
    said = done.stdout.decode()
    assert done.returncode == 0, done.stderr.decode()
    assert '"error"' not in said
    assert "data: [DONE]" in said
    assert said.count('"novelray"') == len(examples("bash")) - 1, "all but the one that counts tokens"


@pytest.mark.slow
def test_the_python_examples_of_the_documentation_run(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    names = {}
    for example in examples("python"):
        exec(compile(at(server, example, tmp_path), "docs/serving.md", "exec"), names)
    names["client"].close()
    assert names["choice"].finish_reason in ("stop", "length")
    assert "'xtc_probability': 0.5" in capsys.readouterr().out
    until(lambda: is_idle(server[0]), 20)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_reads_a_stream_line_by_line(server):
    url, key = server
    body = json.dumps({"model": "tiny", "prompt": "江湖", "max_tokens": 8, "stream": True, **LONG})
    command = ["curl", "-sN", f"{url}/v1/completions", "-H", f"Authorization: Bearer {key}"]
    command += ["-H", "Content-Type: application/json", "-d", body]
    lines = subprocess.run(command, capture_output=True, timeout=30, check=True).stdout.decode().split("\n\n")
    assert lines[-2] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["model"] == MODEL

"""The official LangChain client, unmodified, against the endpoint with a real engine and a real (tiny) model."""

from __future__ import annotations

import asyncio

import openai
import pytest
from langchain_openai import ChatOpenAI, OpenAI
from support.endpoint import is_idle, until

from novelray.generate.reading import count

LONG = {"ignore_eos": True}
ASKED = "山雨欲来"


@pytest.fixture(autouse=True)
def nothing_is_fetched(server, monkeypatch):
    """LangChain would load OpenAI's own tokenizers from the network, and send traces where the environment says so."""

    def load(name, *_):
        raise AssertionError(f"the tokenizer {name} was asked for")

    monkeypatch.setattr("tiktoken.encoding_for_model", load)
    monkeypatch.setattr("tiktoken.get_encoding", load)
    for name in ("LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"):
        monkeypatch.setenv(name, "false")
    yield
    until(lambda: is_idle(server[0]), 20)


@pytest.fixture
def chat(server):
    return client(ChatOpenAI, server)


@pytest.fixture
def legacy(server):
    return client(OpenAI, server)


def client(kind, server, key=None, **more):
    given = {"model": "tiny", "max_tokens": 12, "seed": 11, "extra_body": LONG, "max_retries": 0, "timeout": 60}
    return kind(base_url=f"{server[0]}/v1", api_key=key or server[1], **given | more)


def joined(pieces):
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    return whole


def test_a_chat_tells_its_tokens_and_its_ending(chat):
    done = chat.invoke(ASKED)
    told = done.response_metadata
    assert (told["model_name"], told["finish_reason"]) == ("tiny@0123456789ab", "length")
    assert done.usage_metadata["output_tokens"] == told["token_usage"]["completion_tokens"] == 12
    assert done.usage_metadata["input_tokens"] == told["token_usage"]["prompt_tokens"] > 0


def test_a_streamed_chat_is_the_whole_one_of_the_same_seed_with_its_usage(chat):
    whole, pieces = chat.invoke(ASKED), list(chat.stream(ASKED, stream_usage=True))
    assert len(pieces) > 5
    assert joined(pieces).content == whole.content
    assert joined(pieces).usage_metadata == whole.usage_metadata


def test_an_asynchronous_stream_is_the_same_text(chat):
    async def read():
        return [piece async for piece in chat.astream(ASKED)]

    assert joined(asyncio.run(read())).content == chat.invoke(ASKED).content


def test_a_batch_answers_each_as_alone(chat):
    asked = [ASKED, "江湖夜雨", "十年灯"]
    done = chat.batch(asked)
    assert [d.content for d in done] == [chat.invoke(a).content for a in asked]
    assert [d.usage_metadata["output_tokens"] for d in done] == [12, 12, 12]


def test_stop_strings_end_a_chat_before_them(chat):
    text = chat.invoke(ASKED).content
    stop = text[len(text) // 2 : len(text) // 2 + 2]
    done = chat.invoke(ASKED, stop=[stop])
    assert done.content == text[: text.index(stop)]
    assert done.response_metadata["finish_reason"] == "stop"


def test_logprobs_come_with_a_chat(chat):
    entries = chat.bind(logprobs=True, top_logprobs=2).invoke(ASKED).response_metadata["logprobs"]["content"]
    assert len(entries) == 12
    assert all(e["logprob"] <= 0 and len(e["top_logprobs"]) == 2 for e in entries)


def test_a_completion_is_written_and_streamed(legacy):
    text = legacy.invoke(ASKED)
    pieces = list(legacy.stream(ASKED))
    assert text
    assert len(pieces) > 2
    assert "".join(pieces) == text
    assert legacy.generate([ASKED]).llm_output["token_usage"]["completion_tokens"] == 12


def test_the_samplers_of_fiction_reach_the_engine(server):
    fields = {"max_chars": 7, "dry_multiplier": 0.8, "xtc_probability": 0.9, "xtc_threshold": 0.001}
    kinds = {"plain": {"max_chars": 7}, "fiction": fields}
    texts = {
        name: client(OpenAI, server, max_tokens=60, extra_body=LONG | body).invoke(ASKED)
        for name, body in kinds.items()
    }
    assert texts["plain"] != texts["fiction"]
    assert [count(text) for text in texts.values()] == [7, 7]


@pytest.mark.parametrize("kind", [ChatOpenAI, OpenAI])
def test_a_wrong_key_raises_the_clients_own_error(server, kind):
    with pytest.raises(openai.AuthenticationError):
        client(kind, server, key="nr-wrong").invoke(ASKED)

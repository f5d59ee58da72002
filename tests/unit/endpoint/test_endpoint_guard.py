"""The guard on the wire: OpenAI's finish reason, our object beside it, for streams and whole answers alike."""

from __future__ import annotations

import json

import pytest
from support.endpoint import ScriptedEngine, until
from support.guarding import index_of

from novelray.generate.guard.copying import Limits
from novelray.generate.guard.engine import Guard, guarded
from novelray.generate.guard.terms import Terms

BOOK = "".join(chr(0x4E00 + 11 * i) for i in range(120))
TEXT = "他说：" + BOOK


def events(response):
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


@pytest.fixture
def client(start):
    guard = Guard(index=index_of(BOOK), limits=Limits(60, 200))
    with start(guarded(ScriptedEngine(text=TEXT), guard)) as found:
        yield found


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("chat", [False, True])
def test_a_copy_ends_with_content_filter_and_says_where(client, n, stream, chat):
    path, asked = ("chat/completions", {"messages": [{"role": "user", "content": "a"}]}) if chat else (
        "completions", {"prompt": "a"})  # fmt: skip
    response = client.post(f"/v1/{path}", json={**asked, "n": n, "stream": stream})
    bodies = events(response) if stream else [response.json()]
    texts, reasons = [""] * n, [None] * n
    for choice in (c for body in bodies for c in body["choices"]):
        said = (choice.get("delta") or choice.get("message") or choice) if chat else choice
        texts[choice["index"]] += said.get("content" if chat else "text") or ""
        reasons[choice["index"]] = choice["finish_reason"] or reasons[choice["index"]]
    assert texts == [TEXT[:63]] * n
    assert reasons == ["content_filter"] * n
    told = [one for body in bodies for one in body.get("novelray", {}).get("guard", [])]
    expected = {"rule": "copying", "action": "stop", "offset": 3, "length": 60}
    assert sorted(told, key=lambda one: one["index"]) == [{"index": i, **expected} for i in range(n)]
    assert bodies[0]["novelray"]["version"]


def test_a_held_back_term_is_in_no_event_of_a_stream(start):
    guard = Guard(terms=Terms(["敏感词"]), masks=True)
    with start(guarded(ScriptedEngine(text="这个敏感词不说"), guard)) as client:
        body = {"prompt": "a", "stream": True, "logprobs": 2}
        seen = events(client.post("/v1/completions", json=body))
    pieces = [c["text"] for e in seen for c in e["choices"]]
    assert "".join(pieces) == "这个●●●不说"
    assert "敏" not in json.dumps(seen, ensure_ascii=False)
    assert [one["action"] for e in seen for one in e.get("novelray", {}).get("guard", [])] == ["mask"]


def test_the_audit_names_the_key_that_asked(start, tmp_path, caplog):
    from novelray.endpoint.keys import KeyStore

    keys = KeyStore(f"sqlite:///{tmp_path}/keys.db")
    secret, _ = keys.create("ada")
    guard = Guard("wuxia@0123456789ab", terms=Terms(["敏感词"]))
    with start(guarded(ScriptedEngine(text="敏感词"), guard), keys) as client:
        client.post("/v1/completions", json={"prompt": "a"}, headers={"Authorization": f"Bearer {secret}"})
    (line,) = [json.loads(r.getMessage()) for r in caplog.records if r.name == "novelray.guard"]
    assert (line["key"], line["model"], line["rule"]) == ("ada", "wuxia@0123456789ab", "terms")
    assert secret not in caplog.text


def test_a_client_that_leaves_a_guarded_stream_frees_its_slot(start):
    engine = ScriptedEngine(pause_s=0.01)
    with start(guarded(engine, Guard(terms=Terms(["敏感词"])))) as client:
        body = {"prompt": "a", "ignore_eos": True, "max_tokens": 100_000, "stream": True}
        with client.stream("POST", "/v1/completions", json=body) as response:
            lines = response.iter_lines()  # held: the response closes with it
            next(lines)
        until(lambda: engine.closed == engine.started == 1, 2)

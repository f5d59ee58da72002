"""Limits of keys over HTTP: the status, the code, the headers that clients wait by, and what a key gets to see."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from support.endpoint import ScriptedEngine, until

from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.limits import KeyLimits

WUXIA, LETTERS = "wuxia@0123456789ab", "letters@ba9876543210"
ASKED = {"prompt": "从前", "max_tokens": 5}


@pytest.fixture
def keys(tmp_path):
    return KeyStore(default_url(tmp_path))


@pytest.fixture
def ask(start, keys):
    """`ask(limits)` → a function that sends a completion with a key that has these limits."""
    with start(ScriptedEngine(), keys=keys, models=(WUXIA, LETTERS)) as client:

        def with_limits(**limits):
            secret, _ = keys.create("ada", KeyLimits(**limits))
            headers = {"Authorization": f"Bearer {secret}"}

            def send(method="POST", path="/v1/completions", **body):
                json = {"json": ASKED | body} if method == "POST" else {}
                return client.request(method, path, headers=headers, **json)

            return send

        yield with_limits


def test_the_rate_of_requests_is_told_and_then_enforced(ask):
    send = ask(requests_per_minute=2)
    first = send()
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert first.headers["x-ratelimit-remaining-requests"] == "1"
    assert 29 < float(first.headers["x-ratelimit-reset-requests"].removesuffix("s")) <= 30
    assert "x-ratelimit-limit-tokens" not in first.headers
    assert send(prompt="").status_code == 422, "a bad request counts too"
    refused = send()
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limit_exceeded"
    assert refused.json()["error"]["type"] == "rate_limit_error"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    assert send("GET", "/v1/models").status_code == 200, "looking is free"


def test_tokens_are_reserved_by_max_tokens_and_settled_with_what_was_used(ask):
    send = ask(tokens_per_minute=100)
    assert send(max_tokens=90).headers["x-ratelimit-remaining-tokens"] in ("8", "9"), "reserved while it runs"
    assert 90 <= int(send(max_tokens=1).headers["x-ratelimit-remaining-tokens"]) <= 91, "7 used, 3 reserved"
    assert send(n=2, max_tokens=60).status_code == 429


def test_a_quota_that_is_used_up_is_429_insufficient_quota(ask):
    send = ask(tokens_per_day=20)
    assert send().status_code == 200
    assert send(max_tokens=12).status_code == 429
    refused = send(max_tokens=12, stream=True)
    assert refused.json()["error"]["code"] == "insufficient_quota"
    assert "13 are left" in refused.json()["error"]["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 86400
    assert send(max_tokens=11).status_code == 200


def test_a_client_that_hangs_up_pays_for_what_was_written_and_no_more(start, keys):
    secret, record = keys.create("ada", KeyLimits(tokens_per_day=10_000))
    headers = {"Authorization": f"Bearer {secret}"}
    body = {"prompt": "从前", "max_tokens": 5000, "ignore_eos": True, "stream": True}
    with start(ScriptedEngine(pause_s=0.01), keys=keys) as client:
        with client.stream("POST", "/v1/completions", json=body, headers=headers) as response:
            for _, _ in zip(range(10), response.iter_lines(), strict=False):
                pass

        def use():
            return keys.usage.exchange({}, [record.id], datetime.now(UTC).date())[record.id].ever

        until(lambda: use().new_tokens, 5)
        until(lambda: use().reserved == 0, 5)
        assert use().prompt_tokens == 2
        assert 5 <= use().new_tokens < 200


def test_a_key_sees_and_may_use_its_own_models_only(ask):
    send = ask(models=("letters@*",))
    assert [m["id"] for m in send("GET", "/v1/models").json()["data"]] == [LETTERS]
    assert send().json()["model"] == LETTERS, "the first one that it may see"
    assert send(model="letters").status_code == 200
    for response in (send(model=WUXIA), send("GET", f"/v1/models/{WUXIA}")):
        assert response.status_code == 404
        assert LETTERS in response.json()["error"]["message"]
        assert "Valid ids: " + LETTERS + "." in response.json()["error"]["message"]
    assert ask()("GET", "/v1/models").json()["data"][0]["id"] == WUXIA


def test_a_key_that_may_see_nothing_is_told_so(ask):
    send = ask(models=("poems@*",))
    assert send("GET", "/v1/models").json()["data"] == []
    assert send().status_code == 404
    assert "none for this key" in send(model="wuxia").json()["error"]["message"]

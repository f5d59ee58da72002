"""What is seen of requests from outside: ids, the access log, metrics, deadlines, other origins."""

from __future__ import annotations

import json
import logging
from collections import defaultdict

import pytest
from support.endpoint import ScriptedEngine, is_idle, until

from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.metrics import METRICS
from novelray.endpoint.settings import ChapterSettings
from novelray.generate.guard.engine import Guard, guarded
from novelray.generate.guard.terms import Terms

MODEL = "wuxia@0123456789ab"
ENDLESS = {"prompt": "从前", "ignore_eos": True, "max_tokens": 100_000}


class Recorder:
    """Metrics kept in memory: name → list of (value, labels)."""

    def __init__(self):
        self.found = defaultdict(list)

    def add(self, metric, amount=1, **labels):
        assert metric in METRICS
        assert set(labels) == set(metric.labels)
        self.found[metric.name.removeprefix("novelray_")].append((amount, labels))

    set = observe = add

    def total(self, name, **labels):
        return sum(v for v, had in self.found[name] if labels.items() <= had.items())


@pytest.fixture
def metrics():
    return Recorder()


@pytest.fixture
def lines(caplog):
    """The access log as parsed lines, in a function."""
    caplog.set_level(logging.INFO, logger="novelray.access")
    return lambda: [json.loads(r.getMessage()) for r in caplog.records if r.name == "novelray.access"]


def test_a_sane_request_id_is_kept_and_another_is_replaced(client):
    assert client.get("/health", headers={"X-Request-Id": "chapter-12.a"}).headers["x-request-id"] == "chapter-12.a"
    for strange in ("a b", "x" * 200, '"}', ""):
        assert client.get("/health", headers={"X-Request-Id": strange}).headers["x-request-id"].startswith("req-")
    ids = {client.get("/v1/none").headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2, "errors have one too"


def test_each_request_is_one_line_with_what_it_cost(start, lines, tmp_path):
    keys = KeyStore(default_url(tmp_path))
    secret, _ = keys.create("ada")
    headers = {"Authorization": f"Bearer {secret}", "X-Request-Id": "r1"}
    with start(ScriptedEngine(), keys=keys) as client:
        client.post("/v1/completions", json={"prompt": "从前"}, headers=headers)
        until(lambda: len(lines()) == 1)  # a line is written after its answer
        client.post("/v1/completions", json={"prompt": ""}, headers=headers)
        until(lambda: len(lines()) == 2)
        client.get("/ready")
        client.get("/v1/models", headers={"Authorization": f"Bearer {secret}x"})
        until(lambda: len(lines()) == 3)
    done, bad, stranger = lines()
    assert done | {"ttft_s": 0, "duration_s": 0} == {
        "request_id": "r1", "key": "ada", "method": "POST", "path": "/v1/completions", "status": 200, "code": None,
        "model": MODEL, "prompt_tokens": 2, "new_tokens": 5, "ttft_s": 0, "duration_s": 0,
    }  # fmt: skip
    assert 0 <= done["ttft_s"] <= done["duration_s"]
    assert (bad["status"], bad["code"]) == (422, "invalid_value")
    assert (stranger["status"], stranger["key"]) == (401, None)


def test_no_key_is_ever_logged(start, caplog, tmp_path):
    caplog.set_level(logging.DEBUG)
    keys = KeyStore(default_url(tmp_path))
    secret, _ = keys.create("ada")
    with start(ScriptedEngine(fail_at=2), keys=keys) as client:
        for path in ("/v1/completions", "/v1/models", "/v1/none"):
            for scheme in ("Bearer", "Basic"):
                client.post(path, json=ENDLESS, headers={"Authorization": f"{scheme} {secret}"})
    assert any(r.name == "novelray.access" for r in caplog.records)
    assert secret.removeprefix("nr-") not in caplog.text


def test_the_access_log_can_be_switched_off(start, lines):
    with start(ScriptedEngine(), access_log=False) as client:
        client.post("/v1/completions", json={"prompt": "a"})
    assert lines() == []


def test_a_client_that_leaves_is_logged_and_counted_as_499(start, lines, metrics):
    engine = ScriptedEngine(pause_s=0.01)
    with start(engine, metrics=metrics) as client:
        with client.stream("POST", "/v1/completions", json={**ENDLESS, "stream": True}) as response:
            next(response.iter_lines())
        with pytest.raises(Exception, match="timed out"):
            client.post("/v1/completions", json=ENDLESS, timeout=0.2)
        until(lambda: len(lines()) == 2)
    assert [line["status"] for line in lines()] == [499, 499]
    assert all(line["new_tokens"] >= 1 for line in lines())
    assert metrics.total("cancellations_total", model=MODEL) == 2


def test_tokens_and_times_are_measured_for_each_version(start, metrics):
    with start(ScriptedEngine(), metrics=metrics) as client:
        client.post("/v1/completions", json={"prompt": "从前", "n": 2})
        client.post("/v1/completions", json={"prompt": "从前", "stream": True})
        client.get("/v1/models/nobody")
        client.get("/made/up")
        until(lambda: metrics.found["requests_running"])
    assert metrics.total("prompt_tokens_total", model=MODEL) == 4
    assert metrics.total("generated_tokens_total", model=MODEL) == 15
    assert len(metrics.found["time_to_first_token_seconds"]) == 2
    assert len(metrics.found["inter_token_seconds"]) == 12
    assert metrics.total("requests_total", route="/v1/completions", status="200", code="", model=MODEL) == 2
    assert metrics.total("requests_total", route="/v1/models/{name:path}", status="404", code="model_not_found") == 1
    assert metrics.total("requests_total", route="none", status="404") == 1


def test_cached_prompts_and_what_the_guard_did_are_counted(start, metrics):
    engine = guarded(ScriptedEngine(text="这个敏感词不说", cached=2), Guard(terms=Terms(["敏感词"]), masks=True))
    with start(engine, metrics=metrics) as client:
        for stream in (False, True):
            usage = client.post("/v1/completions", json={"prompt": "从前", "n": 3, "stream": stream})
            assert '"cached_tokens":2' in usage.text
    assert metrics.total("cached_prompt_tokens_total", model=MODEL) == metrics.total("prompt_tokens_total") == 4
    assert metrics.total("guard_interventions_total", model=MODEL, rule="terms", action="mask") == 6


def test_what_a_chapter_costs_and_what_the_guard_did_in_it_are_counted(start, metrics, tmp_path, caplog):
    keys = KeyStore(default_url(tmp_path))
    secret, _ = keys.create("ada")
    engine = guarded(ScriptedEngine(text="这个敏感词不说", cached=2), Guard(terms=Terms(["敏感词"]), masks=True))
    quick = ChapterSettings(flush_s=0.02, poll_s=0.02)
    with start(engine, keys=keys, metrics=metrics, chapters=quick) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        made = client.post("/v1/chapters", json={"prompt": "从前"}).json()
        until(lambda: client.get(f"/v1/chapters/{made['id']}").json()["status"] == "done")
    (audited,) = [json.loads(r.getMessage()) for r in caplog.records if r.name == "novelray.guard"]
    assert (audited["request"], audited["key"]) == (made["id"], "ada")
    assert metrics.total("prompt_tokens_total", model=MODEL) == 2
    assert metrics.total("cached_prompt_tokens_total", model=MODEL) == 2
    assert metrics.total("generated_tokens_total", model=MODEL) == 7  # masked ones too
    assert metrics.total("guard_interventions_total", model=MODEL, rule="terms", action="mask") == 1


def test_an_error_inside_a_stream_is_logged_and_counted(start, lines, metrics):
    with start(ScriptedEngine(fail_at=2), metrics=metrics) as client:
        client.post("/v1/completions", json={"prompt": "a", "stream": True})
        until(lambda: lines())
    assert (lines()[0]["status"], lines()[0]["code"]) == (200, "internal_error")
    assert metrics.total("requests_total", code="internal_error") == 1


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_whose_time_is_up_is_ended_and_frees_its_slot(start, stream):
    engine = ScriptedEngine(pause_s=0.01)
    with start(engine, request_timeout_s=0.2) as client:
        response = client.post("/v1/completions", json={**ENDLESS, "stream": stream})
        assert response.status_code == (200 if stream else 504)
        last = response.text.strip().split("\n\n")[-1].removeprefix("data: ")
        assert json.loads(last)["error"]["code"] == "request_timeout"
        until(lambda: is_idle(str(client.base_url).rstrip("/")), 1)


@pytest.mark.parametrize("stream", [False, True])
def test_a_request_that_waits_too_long_for_its_first_token_is_503(start, stream):
    engine = ScriptedEngine(pause_s=30)
    with start(engine, queue_timeout_s=0.2) as client:
        response = client.post("/v1/completions", json={"prompt": "a", "stream": stream})
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "queue_timeout"
        assert int(response.headers["retry-after"]) > 0
        until(lambda: not engine.running, 1)


def test_pages_of_other_origins_may_not_ask_unless_they_are_named(start, tmp_path):
    ask = {"Origin": "https://write.example", "Access-Control-Request-Method": "POST"}
    with start(ScriptedEngine(), keys=KeyStore(default_url(tmp_path))) as client:
        assert "access-control-allow-origin" not in client.options("/v1/completions", headers=ask).headers
    settings = {"keys": KeyStore(default_url(tmp_path)), "cors_origins": ("https://write.example",)}
    with start(ScriptedEngine(), **settings) as client:
        preflight = client.options("/v1/completions", headers=ask)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://write.example"
        refused = client.post("/v1/completions", json={}, headers={"Origin": "https://write.example"})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://write.example"
        other = client.get("/health", headers={"Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_headers_over_the_limit_are_431(start):
    with start(ScriptedEngine(), max_header_bytes=1000) as client:
        response = client.get("/v1/models", headers={"X-Much": "a" * 1000})
        assert response.status_code == 431
        assert response.json()["error"]["code"] == "headers_too_large"
        assert client.get("/v1/models").status_code == 200

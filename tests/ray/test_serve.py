"""A real Ray Serve instance with a real engine: what only the whole stack can show."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai
import pytest
import ray
from ray.util.state import list_actors
from support.endpoint import is_idle, post, raw, until
from support.tiny import tiny_llama

from novelray.endpoint.keys import KeyStore, ensure_key
from novelray.endpoint.limits import KeyLimits
from novelray.errors import CapacityError, ModelError
from novelray.onray.deploy import check_port, deploy, metrics_url, undeploy
from novelray.onray.replica import ReplicaSettings
from novelray.recipe.serve import ServeSection

pytestmark = [pytest.mark.ray, pytest.mark.slow]

MODEL = "tiny@0123456789ab"
LONG = {"ignore_eos": True}
SAID: list[str] = []


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    folder = tiny_llama(tmp_path_factory.mktemp("tiny"))
    section = ServeSection(port=free_port(), max_batch=4, max_queue=4, max_body_bytes=100_000)
    return ReplicaSettings(source=f"folder:{folder}", version=MODEL, threads=1, serve=section)


@pytest.fixture(scope="module")
def served(ray_session, settings, tmp_path_factory):
    """(base URL, key) of a deployed endpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOVELRAY_HOME", str(tmp_path_factory.mktemp("home")))
        key = ensure_key()
        done = deploy(settings, SAID.append, ready_s=120)
        yield done.url, key
        undeploy(SAID.append, free_port=True)


@pytest.fixture
def logs(served):
    """All that this Ray session has logged so far, in a function."""
    folder = Path(ray._private.worker._global_node.get_logs_dir_path())
    return lambda: "\n".join(f.read_text(errors="replace") for f in folder.rglob("*") if f.is_file())


@pytest.fixture
def client(served):
    url, key = served
    with openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=60) as found:
        yield found
    until(lambda: is_idle(url), 20)


def test_the_official_client_streams_through_serve(client):
    asked = {"model": "tiny", "prompt": "山雨欲来", "max_tokens": 40, "seed": 2, "extra_body": LONG}
    pieces = list(client.completions.create(**asked, stream=True))
    assert "".join(p.choices[0].text for p in pieces) == client.completions.create(**asked).choices[0].text
    assert {p.model for p in pieces} == {MODEL}
    assert pieces[-1].choices[0].finish_reason == "length"
    assert any(MODEL in line and "answers at" in line for line in SAID)


def test_pieces_are_not_collected_on_the_way(client):
    stream = client.completions.create(model=MODEL, prompt="a", max_tokens=400, stream=True, extra_body=LONG)
    times = [time.monotonic() for _ in stream]
    assert times[len(times) // 2] - times[0] > 0.2 * (times[-1] - times[0]), "the text came in one lump"


def test_a_key_is_needed(served):
    assert httpx.get(f"{served[0]}/v1/models").status_code == 401
    assert httpx.get(f"{served[0]}/health").status_code == 200


def test_a_limited_key_is_told_its_limits_through_the_proxy_and_held_to_them(served):
    secret, _ = KeyStore().create("guest", KeyLimits(requests_per_minute=1))
    asked = {"json": {"prompt": "a", "max_tokens": 1}, "headers": {"Authorization": f"Bearer {secret}"}}
    first, second = (httpx.post(f"{served[0]}/v1/completions", **asked) for _ in range(2))
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert second.status_code == 429
    assert 50 < int(second.headers["retry-after"]) <= 60


def test_a_client_that_hangs_up_frees_its_slot(client, served):
    for _ in range(5):
        stream = client.completions.create(model=MODEL, prompt="a", max_tokens=4000, stream=True, extra_body=LONG)
        next(iter(stream))
        stream.close()
    until(lambda: is_idle(served[0]), 2)


def test_fifty_clients_over_a_small_queue_get_answers_or_429_and_nothing_hangs(served):
    url, key = served

    async def all_of_them():
        headers = {"Authorization": f"Bearer {key}"}
        asked = {"model": MODEL, "prompt": "a", "max_tokens": 40, **LONG}
        limits = httpx.Limits(max_connections=50)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits) as client:
            return await asyncio.gather(*[client.post("/v1/completions", json=asked) for _ in range(50)])

    answers = asyncio.run(all_of_them())
    counted = Counter(a.status_code for a in answers)
    assert set(counted) == {200, 429}
    assert counted[200] >= 8
    refused = next(a for a in answers if a.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["error"]["code"] == "rate_limit_exceeded", "the engine's own 429, not the proxy's"
    until(lambda: is_idle(url))


def test_raw_abuse_through_the_proxy_is_never_a_500(served):
    url, key = served
    auth = f"Authorization: Bearer {key}"
    whole = post("/v1/completions", b'{"prompt": "a", "max_tokens": 4000, "ignore_eos": true, "stream": true}', auth)
    answers = [
        raw(url, post("/v1/completions", b"{", auth)),
        raw(url, post("/v1/completions", b'{"prompt": "\xff"}', auth)),
        raw(url, post("/v1/completions", b'{"prompt": "' + b"a" * 200_000 + b'"}', auth)),
        raw(url, post("/v1/completions", b"{}", auth, "Content-Length: 50"), half_close=True),
        raw(url, whole, half_close=True),
        raw(url, b"\x00\xff\r\n\r\n"),
    ]
    firsts = [a.split(b"\r\n")[0] for a in answers]
    assert b" 400 " in firsts[0]
    assert b" 400 " in firsts[1]
    assert b" 413 " in firsts[2]
    assert not any(b" 5" in f[8:11] for f in firsts)
    until(lambda: is_idle(url))


def test_a_request_has_one_id_through_the_proxy_and_in_the_access_log(served, logs):
    url, key = served
    headers = {"Authorization": f"Bearer {key}", "X-Request-Id": "chapter-12"}
    answer = httpx.post(f"{url}/v1/completions", json={"prompt": "a", "max_tokens": 3, **LONG}, headers=headers)
    assert answer.headers.get_list("x-request-id") == ["chapter-12"]
    until(lambda: '"request_id": "chapter-12"' in logs(), 20)
    line = next(json.loads(found) for found in logs().splitlines() if '"request_id": "chapter-12"' in found)
    assert (line["key"], line["status"], line["model"], line["new_tokens"]) == ("default", 200, MODEL, 3)


def test_each_nodes_metrics_port_shows_what_was_served(served, client):
    client.completions.create(model=MODEL, prompt="a", max_tokens=5, extra_body=LONG)
    port = metrics_url()
    assert any(port in line for line in SAID)
    wanted = [
        'ray_novelray_requests_total{[^}]*route="/v1/completions",status="200"',
        f'ray_novelray_generated_tokens_total{{[^}}]*model="{MODEL}"',
        f'ray_novelray_prompt_tokens_total{{[^}}]*model="{MODEL}"',
        f'ray_novelray_time_to_first_token_seconds_bucket{{[^}}]*le="0.1",[^}}]*model="{MODEL}"',
        "ray_novelray_inter_token_seconds_count{",
        "ray_novelray_requests_running{",
        "ray_novelray_requests_waiting{",
    ]
    until(lambda: all(re.search(w, httpx.get(port).text) for w in wanted), 30)


def test_no_log_of_the_whole_run_holds_the_key(served, logs):
    url, key = served
    for path in ("/v1/models", "/v1/none"):
        httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {key}"})
        httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {key[:-1]}"})
    until(lambda: '"status": 401' in logs(), 20)
    assert key.removeprefix("nr-")[:20] not in logs()
    assert not any(key.removeprefix("nr-") in line for line in SAID)


def test_our_own_proxy_on_the_port_is_no_conflict_and_another_port_is_refused(served, settings):
    check_port(settings.serve)
    with pytest.raises(CapacityError, match=str(settings.serve.port)):
        check_port(settings.serve.model_copy(update={"port": free_port()}))


def test_more_replicas_than_fit_are_refused_at_once(served, settings):
    section = settings.serve.model_copy(update={"replicas": 99})
    with pytest.raises(CapacityError, match="99"):
        deploy(settings.model_copy(update={"serve": section}), SAID.append)


def test_a_replica_that_dies_ends_its_streams_with_an_error_and_its_chapters_go_on(served, client):
    chapter = httpx.post(
        f"{served[0]}/v1/chapters",
        json={"prompt": "山雨欲来", "max_tokens": 3_000, "ignore_eos": True, "seed": 4},
        headers={"Authorization": f"Bearer {served[1]}"},
    ).json()["id"]
    asked = {"prompt": "a", "max_tokens": 4_000, "stream": True, **LONG}
    with httpx.Client(base_url=served[0], headers={"Authorization": f"Bearer {served[1]}"}, timeout=120) as http:
        until(lambda: http.get(f"/v1/chapters/{chapter}").json()["characters"] > 0, 20)
        with http.stream("POST", "/v1/completions", json=asked) as response:
            lines = response.iter_lines()
            next(lines)
            actors = list_actors(address=ray.get_runtime_context().gcs_address)
            (replica,) = [a for a in actors if "endpoint" in a.class_name and a.state == "ALIVE"]
            os.kill(replica.pid, signal.SIGKILL)
            last = [line for line in lines if line][-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "replica_lost"
        until(lambda: http.get("/ready").status_code == 200, 120)
        followed = http.get(f"/v1/chapters/{chapter}/text", params={"follow": "true"}).text
        assert followed.endswith("data: [DONE]\n\n")
        done = http.get(f"/v1/chapters/{chapter}").json()
        text = http.get(f"/v1/chapters/{chapter}/text").json()["text"]
    assert (done["status"], done["usage"]["completion_tokens"]) == ("done", 3_000)
    assert len(text) == done["characters"]


def test_a_new_version_replaces_the_old_one_and_a_bad_model_says_why(served, settings, client, tmp_path):
    deploy(settings.model_copy(update={"version": "tiny@ffff"}), SAID.append, ready_s=120)
    until(lambda: [m.id for m in client.models.list()] == ["tiny@ffff"], 60)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ModelError):
        deploy(
            settings.model_copy(update={"source": f"folder:{tmp_path}", "version": "bad@1"}), SAID.append, ready_s=120
        )
    assert [m.id for m in client.models.list()] == ["tiny@ffff"], "the version before goes on"
    deploy(settings, SAID.append, ready_s=120)  # the next tests, in any order, find what they expect


def test_a_running_text_is_finished_before_the_endpoint_stops(served):
    client = openai.OpenAI(base_url=f"{served[0]}/v1", api_key=served[1], max_retries=0, timeout=60)
    asked = {"model": "tiny", "prompt": "a", "max_tokens": 3000, "stream": True, "extra_body": LONG}
    stream = iter(client.completions.create(**asked))
    next(stream)
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(undeploy, SAID.append)
        pieces = list(stream)
        stopped.result(30)
    assert pieces[-1].choices[0].finish_reason == "length"


def test_a_port_in_use_is_refused_before_anything_starts(ray_session):
    undeploy(SAID.append, free_port=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        section = ServeSection(port=taken.getsockname()[1])
        with pytest.raises(CapacityError) as caught:
            check_port(section)
    assert "--set serve.port=" in caught.value.hint

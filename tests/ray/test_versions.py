"""Versions on a real Ray Serve instance: replaced under running streams, tried on some of the clients, taken back."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from support.endpoint import is_idle, until
from support.tiny import tiny_llama

from novelray.errors import CapacityError
from novelray.onray import replica
from novelray.onray.deploy import NAME, running, undeploy
from novelray.onray.peers import describe_all
from novelray.onray.replica import ReplicaSettings
from novelray.onray.rollout import CANARY
from novelray.onray.versions import RolloutError, promote, replace, roll_back, start_canary, status, told
from novelray.recipe.serve import CanarySection, ServeSection

pytestmark = [pytest.mark.ray, pytest.mark.slow]

REDEPLOYMENTS = int(os.environ.get("NOVELRAY_REDEPLOYMENTS", "3"))
STREAMS = int(os.environ.get("NOVELRAY_STREAMS", "60"))
CLIENTS = 6
ASKED = {"model": "tiny", "prompt": "山雨欲来", "max_tokens": 60, "ignore_eos": True, "seed": 5}
SAID: list[str] = []


def scaled(folder, factor, target):
    """A model folder whose weights are `factor` times those of another."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder)
    for parameter in model.parameters():
        parameter.data *= factor
    model.save_pretrained(target)
    for file in folder.glob("tokenizer*"):
        (target / file.name).write_bytes(file.read_bytes())
    return target


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """Settings of version `a` (digits), `b` (other weights) or `bad` (its output is no number)."""
    root = tmp_path_factory.mktemp("versions")
    a = tiny_llama(root / "a")
    folders = {"a": a, "b": scaled(a, 1.5, root / "b"), "bad": scaled(a, float("nan"), root / "bad")}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOVELRAY_HOME", str(tmp_path_factory.mktemp("home")))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        canary = CanarySection(requests=10, first_token_rise=100)

        def make(digest, folder="a", **section):
            serve = ServeSection(
                port=port, max_batch=4, max_queue=60, require_key=False, canary=canary, drain_s=60, **section
            )
            return ReplicaSettings(source=f"folder:{folders[folder]}", version=f"tiny@{digest}", threads=1, serve=serve)

        yield make


@pytest.fixture(scope="module")
def url(ray_session, version):
    yield replace(version("aaaa"), SAID.append, 120).url
    undeploy(SAID.append, free_port=True)


def read(client, url, **body):
    """(version of each piece, text, how it ended) of a stream."""
    versions, text, end = set(), "", None
    with client.stream("POST", f"{url}/v1/completions", json={**ASKED, "stream": True, **body}) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line == "data: [DONE]":
                return versions, text, end
            if line.startswith("data: "):
                piece = json.loads(line.removeprefix("data: "))
                assert "error" not in piece, piece
                versions.add(piece["model"])
                text += piece["choices"][0]["text"]
                end = piece["choices"][0]["finish_reason"] or end
    raise AssertionError("the stream was cut")


def test_streams_during_redeployments_are_neither_broken_nor_mixed(url, version):
    found, over = [], threading.Event()

    def write():
        with httpx.Client(timeout=60) as client:
            while not over.is_set():
                found.append(read(client, url))

    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(write) for _ in range(CLIENTS)]
        for turn in range(REDEPLOYMENTS):
            before = len(found)
            replace(version(f"{turn:04}", "ab"[turn % 2]), SAID.append, 120)
            until(lambda count=before: len(found) >= count + STREAMS // REDEPLOYMENTS, 120)
        over.set()
        for client in clients:
            client.result()
    assert len(found) >= STREAMS
    assert {end for _, _, end in found} == {"length"}
    assert {len(versions) for versions, _, _ in found} == {1}, "a text was begun by one version and ended by another"
    texts = {}
    for versions, text, _ in found:
        texts.setdefault(min(versions), set()).add(text)
    assert len(texts) >= REDEPLOYMENTS
    assert all(len(of_one) == 1 for of_one in texts.values()), "the same seed, the same version: the same text"
    assert not any("no room" in line for line in SAID)


def stable_now():
    """The one version that is left once the replicas before it have finished."""
    until(lambda: len(describe_all("novelray")) == 1, 60)
    return describe_all("novelray")[0]["settings"]["version"]


def writers(url, users, **body):
    """Which version answers each of these users."""

    async def ask():
        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=12)) as client:
            bodies = [{**ASKED, "max_tokens": 2, "user": user, **body} for user in users]
            answers = await asyncio.gather(*[client.post(f"{url}/v1/completions", json=b) for b in bodies])
            assert {a.status_code for a in answers} == {200}, [a.text for a in answers if a.status_code != 200]
            return [a.json()["model"] for a in answers]

    return asyncio.run(ask())


def test_a_canary_gets_its_share_of_the_clients_always_the_same_and_is_promoted(url, version):
    users, stable = [f"user-{i}" for i in range(80)], stable_now()
    canary = version("bbbb", "ba"[(REDEPLOYMENTS + 1) % 2])
    start_canary(canary, 0.4, SAID.append, 120)
    until(lambda: "tiny@bbbb" in writers(url, users), 10)
    first = writers(url, users)
    assert first == writers(url, users), "a client changed its version"
    assert 0.2 < first.count("tiny@bbbb") / len(users) < 0.6
    assert set(first) == {stable, "tiny@bbbb"}
    for pinned in (stable, "tiny@bbbb"):
        assert set(writers(url, users[:8], model=pinned)) == {pinned}
    with httpx.Client(timeout=60) as client:
        versions, text, end = read(client, url, model="tiny@bbbb")
        assert (versions, end) == ({"tiny@bbbb"}, "length")
        assert text != read(client, url, model=stable)[1]
        body = {**ASKED, "model": "tiny@bbbb", "max_tokens": 4000, "stream": True}
        with client.stream("POST", f"{url}/v1/completions", json=body) as response:
            lines = response.iter_lines()  # held: the response closes with it
            first_line = next(lines)
            assert describe_all(CANARY)[0]["running"] == 1
            name = json.loads(first_line.removeprefix("data: "))["id"]
            restyled = client.post(f"{url}/v1/completions/{name}/style", json={"style": {}})
            assert (restyled.status_code, restyled.json()) == (200, {"id": name, "object": "style", "style": []})
            gone = client.post(f"{url}/v1/completions/cmpl-0/style", json={"style": {}})
            assert gone.status_code == 404
        until(lambda: describe_all(CANARY)[0]["running"] == 0, 5)
        assert client.post(f"{url}/v1/completions", json={**ASKED, "model": "tiny@cccc"}).status_code == 404
    with pytest.raises(RolloutError, match="bbbb"):
        replace(version("cccc"), SAID.append, 120)
    lines = told(status())
    assert any("tiny@bbbb gets 40% of the clients" in line for line in lines), lines
    start_canary(canary, 1.0, SAID.append, 120)
    until(lambda: set(writers(url, users)) == {"tiny@bbbb"}, 10)
    promote(SAID.append, 120)
    until(lambda: set(writers(url, users)) == {"tiny@bbbb"} and not describe_all(CANARY), 60)
    assert set(writers(url, users, model="tiny@bbbb")) == {"tiny@bbbb"}


def test_a_canary_that_fails_is_taken_back_by_itself_and_no_client_sees_it(url, version):
    users, now = [f"user-{i}" for i in range(40)], stable_now()
    start_canary(version("dddd", "bad"), 0.5, SAID.append, 120)
    end = time.monotonic() + 30
    while status()["canary"]["running"]:
        assert time.monotonic() < end
        assert Counter(writers(url, users)) == {now: len(users)}, "the stable version answers for it"
    why = status()["canary"]["ended"]
    assert "taken back by itself" in why
    assert "requests failed" in why
    assert any("tiny@dddd was taken back" in line for line in told(status()))
    until(lambda: not running(CANARY), 60)
    with pytest.raises(RolloutError, match="No canary"):
        roll_back(SAID.append)
    until(lambda: is_idle(url), 20)


# Last: with two copies there is no room left for a canary on two cores.
def test_a_copy_comes_under_load_and_leaves_after_it_without_a_broken_stream(url, version, monkeypatch):
    monkeypatch.setattr(replica, "UPSCALE_S", 1.0)
    monkeypatch.setattr(replica, "DOWNSCALE_S", 3.0)
    replace(version("copies", max_replicas=2), SAID.append, 120)
    enough, ends = threading.Event(), []

    def ask(number):
        with httpx.Client(timeout=120) as client:
            while not enough.is_set():
                ends.append(read(client, url, max_tokens=200, seed=number)[2])

    with ThreadPoolExecutor(3 * CLIENTS) as pool:
        asking = [pool.submit(ask, number) for number in range(3 * CLIENTS)]
        try:
            until(lambda: len(describe_all(NAME)) == 2, 90)
            with pytest.raises(CapacityError, match="max_replicas=1"):
                start_canary(version("eeee"), 0.5, SAID.append, 120)
        finally:
            enough.set()
        for one in asking:
            one.result()
    assert set(ends) == {"length"}
    until(lambda: len(describe_all(NAME)) == 1, 90)
    assert is_idle(url)

"""Clients that hang up, by the hundred, on a real engine behind the real endpoint: what they had is free at once."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import time
from collections import Counter

import psutil
import pytest
from support.endpoint import post, running, until
from support.engines import TOKENIZER
from support.tiny_models import make_model

from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore, default_url
from novelray.endpoint.settings import ServedModel, Settings
from novelray.generate.embedded import EmbeddedEngine

pytestmark = pytest.mark.slow

CLIENTS = 200
STEP_S = 0.01
"""What a step takes at least: a real model's, so that steps and not the tiny model's haste are what is counted."""

WARM_UP, REQUESTS, WAVE = 400, 2_000, 50
GROWTH = 16 * 2**20
"""Bytes: allocators take pages for some thousand requests (8 MB, then 0.2 MB per thousand); 8 kB each are more."""

OF_A_REQUEST = {"Generation", "SamplerState", "Stream", "Job", "Reply", "Answers", "Trace", "RequestResponseCycle"}
"""Types of what each request makes; the last is the server's, and what every task of a request holds."""


class Steps:
    """Counts an engine's steps: from when the server knows that a client has left until its row is free."""

    def __init__(self, engine):
        self.engine, self.count = engine, 0
        self.left, self.freed = {}, {}
        stepper = engine._stepper
        self._decode, self._free = stepper.decode, stepper._free
        stepper.decode, stepper._free = self.decode, self.free

    def decode(self):
        self._decode()
        self.count += 1
        time.sleep(STEP_S)

    def free(self, generation):
        self._free(generation)
        self.freed[generation.request.id.rpartition("-")[0]] = self.count

    def watching(self, app):
        """`app` as the server sees it: notes the step at which it learns that a client is gone."""

        async def watched(scope, receive, send):
            name = []

            async def receiving():
                message = await receive()
                if message["type"] == "http.disconnect" and name:
                    self.left.setdefault(name[0], self.count)
                return message

            async def sending(message):
                if not name and message.get("body", b"").startswith(b"data: {"):
                    name.append(json.loads(message["body"].partition(b"\n")[0][6:])["id"])
                await send(message)

            await app(scope, receiving, sending)

        return watched


@pytest.fixture
def served(tmp_path):
    """Starts an endpoint with eight rows: (engine, its steps if they are counted, URL, key)."""

    @contextlib.contextmanager
    def start(counted):
        engine = EmbeddedEngine(make_model(TOKENIZER), TOKENIZER, max_batch=8, max_queue=CLIENTS, prefix_bytes=2**20)
        keys = KeyStore(default_url(tmp_path))
        key, _ = keys.create("test")
        app = create_app(engine, Settings(models=(ServedModel.of("tiny@0123456789ab"),), access_log=False), keys)
        steps = Steps(engine) if counted else None
        with running(steps.watching(app) if steps else app) as url:
            yield engine, steps, url, key

    return start


async def talk(url, key, pieces=None, **body):
    """Stream a text; hang up after so many pieces, or read all of it: what was read."""
    reader, writer = await asyncio.open_connection(*url.removeprefix("http://").split(":"))
    wanted = json.dumps({"prompt": "a", "stream": True, "ignore_eos": True, **body}).encode()
    writer.write(post("/v1/completions", wanted, f"Authorization: Bearer {key}", "Connection: close"))
    try:
        if pieces is None:
            return await reader.read()
        return [await reader.readuntil(b"data: {") for _ in range(pieces)]
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def is_empty(engine):
    capacity = engine.capacity()
    return not (capacity.running or capacity.waiting or engine._live)


def test_two_hundred_clients_that_hang_up_have_their_slots_freed_within_two_steps(served):
    with served(counted=True) as (engine, steps, url, key):

        async def hang_up():
            wanted = [talk(url, key, pieces=1 + i % 3, prompt=f"{i}", max_tokens=200) for i in range(CLIENTS)]
            await asyncio.gather(*wanted)

        asyncio.run(hang_up())
        until(lambda: is_empty(engine) and len(steps.left) == CLIENTS)
        assert set(steps.left) == set(steps.freed)
        took = Counter(steps.freed[name] - at for name, at in steps.left.items())
        assert max(took) <= 2, took
        assert b"[DONE]" in asyncio.run(talk(url, key, max_tokens=4)), "and it goes on"


def counted():
    """How many there are of what each request makes."""
    gc.collect()
    return Counter(name for found in gc.get_objects() if (name := type(found).__name__) in OF_A_REQUEST)


def test_two_thousand_requests_a_third_of_them_hung_up_leave_nothing_in_memory(served):
    with served(counted=False) as (engine, _, url, key):

        async def wave(start):
            await asyncio.gather(
                *[
                    talk(url, key, pieces=1 if i % 3 == 0 else None, prompt=f"{i}: " * 9, max_tokens=4, seed=i)
                    for i in range(start, start + WAVE)
                ]
            )

        async def waves(first, last):
            for start in range(first, last, WAVE):
                await wave(start)

        def settled():
            until(lambda: is_empty(engine) and not counted() - before)
            return psutil.Process().memory_info().rss

        before = counted()
        asyncio.run(waves(0, WARM_UP))
        warm = settled()
        asyncio.run(waves(WARM_UP, WARM_UP + REQUESTS))
        grown = settled() - warm
        assert grown < GROWTH, f"{grown / 2**20:.1f} MB more"

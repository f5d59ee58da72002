"""Streams over time: keep-alives, clients that leave, headers that do not wait for ever."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from support.endpoint import ScriptedEngine, is_idle, until

ENDLESS = {"prompt": "a", "ignore_eos": True, "max_tokens": 100_000}


def test_a_silent_stream_gets_keep_alive_comments(start):
    engine = ScriptedEngine(text="ab", pause_s=0.5)
    with start(engine, keep_alive_s=0.1, headers_after_s=0.05) as client:
        began = time.monotonic()
        with client.stream("POST", "/v1/completions", json={"prompt": "a", "stream": True}) as response:
            assert time.monotonic() - began < 0.4, "headers waited for the first text"
            text = response.read().decode()
    assert text.startswith(": keep-alive\n\n")
    assert text.count(": keep-alive\n\n") >= 4
    assert text.endswith("data: [DONE]\n\n")


def test_pieces_arrive_as_they_are_made(start):
    with (
        start(ScriptedEngine(text="abcd", pause_s=0.2)) as client,
        client.stream("POST", "/v1/completions", json={"prompt": "a", "stream": True}) as response,
    ):
        times = [time.monotonic() for line in response.iter_lines() if line.startswith("data: {")]
    assert max(b - a for a, b in pairwise(times)) < 0.4
    assert times[-1] - times[0] > 0.5


@pytest.mark.parametrize("n", [1, 4])
def test_a_client_that_leaves_a_stream_frees_its_slots_at_once(start, n):
    engine = ScriptedEngine(pause_s=0.01)
    with start(engine) as client:
        with client.stream("POST", "/v1/completions", json={**ENDLESS, "n": n, "stream": True}) as response:
            lines = response.iter_lines()  # held: the response closes with it
            next(lines)
            assert len(engine.running) == n
        until(lambda: not engine.running, 1)
        assert engine.closed == engine.started == n


def test_a_client_that_leaves_before_its_whole_answer_frees_its_slot(start):
    engine = ScriptedEngine(pause_s=0.01)
    with start(engine) as client:
        with pytest.raises(Exception, match="timed out"):
            client.post("/v1/completions", json=ENDLESS, timeout=0.3)
        until(lambda: engine.closed == 1, 1)


def test_a_client_that_leaves_before_the_first_text_frees_its_slot(start):
    engine = ScriptedEngine(pause_s=60)
    with start(engine, headers_after_s=60) as client:
        with pytest.raises(Exception, match="timed out"):
            client.post("/v1/completions", json={**ENDLESS, "stream": True}, timeout=0.3)
        until(lambda: engine.closed == 1, 1)


def test_two_hundred_clients_that_hang_up_leave_nothing_behind(start):
    engine = ScriptedEngine(pause_s=0.005)
    with start(engine) as client:
        for _ in range(200):
            with client.stream("POST", "/v1/completions", json={**ENDLESS, "stream": True}) as response:
                next(response.iter_lines())
        url = str(client.base_url).rstrip("/")
        until(lambda: is_idle(url))
    assert engine.closed == engine.started == 200

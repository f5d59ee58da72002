"""Bytes that no client of good will sends, over bare sockets: never a fault of ours, never a slot that stays taken."""

from __future__ import annotations

import gc
import json
import random
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from support.endpoint import ScriptedEngine, is_idle, post, raw, until

from novelray.endpoint import reply

ENDLESS = b'{"prompt": "a", "ignore_eos": true, "max_tokens": 100000, "stream": true}'


def url_of(client):
    return str(client.base_url).rstrip("/")


def statuses(answer):
    """The status of each answer in these bytes."""
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d+) ", answer)]


@pytest.fixture
def served(start):
    """(engine, URL) of a server with small limits."""
    engine = ScriptedEngine(pause_s=0.005, max_batch=4, max_queue=4)
    with start(engine, body_timeout_s=0.3, max_body_bytes=10_000) as client:
        yield engine, url_of(client)
        until(lambda: is_idle(url_of(client)), 3)
        assert engine.started == engine.closed


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/json; charset=utf-16",
        "\t",
    ],
)
def test_a_wrong_content_type_is_the_callers_fault(served, content_type):
    body = b'{"prompt": "a"}'
    head = f"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: {content_type}\r\n"
    (status,) = statuses(raw(served[1], head.encode() + b"Content-Length: 15\r\n\r\n" + body))
    assert status in (200, 400, 415, 422)


def test_huge_headers_are_refused_by_us_or_by_the_server(served):
    for size in (40_000, 1_000_000):
        found = statuses(raw(served[1], post("/v1/completions", b"{}", f"X-Much: {'a' * size}")))
        assert found in ([431], [400], []), "the server may also break the connection off"
    many = [f"X-{i}: a" for i in range(5000)]
    assert statuses(raw(served[1], post("/v1/completions", b"{}", *many))) in ([431], [400], [])


def test_pipelined_requests_are_answered_in_their_order(served):
    one, other = b'{"prompt": "a", "model": "nobody"}', b'{"prompt": ""}'
    both = post("/v1/completions", one) + post("/v1/completions", other)
    assert statuses(raw(served[1], both)) == [404, 422]


def test_garbage_behind_a_request_leaves_no_traceback_in_the_log(served, capfd):
    assert statuses(raw(served[1], post("/v1/completions", b'{"prompt": ""}') + b"GARBAGE\r\n\r\n"))[0] in (400, 422)
    until(lambda: is_idle(served[1]))
    assert "Traceback" not in "".join(capfd.readouterr())


def test_a_stream_before_other_pipelined_requests_ends_when_its_client_goes(served):
    engine, url = served
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(post("/v1/completions", ENDLESS) * 3)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    until(lambda: not engine.running, 2)


def test_bodies_that_trickle_hold_no_slot_and_are_cut_off(served):
    engine, url = served
    host, port = url.removeprefix("http://").split(":")
    connections = [socket.create_connection((host, int(port)), timeout=5) for _ in range(20)]
    for connection in connections:
        connection.sendall(post("/v1/completions", ENDLESS, f"Content-Length: {len(ENDLESS)}")[: -len(ENDLESS) + 9])
    assert httpx.post(f"{url}/v1/completions", json={"prompt": "a"}).status_code == 200, "others are served meanwhile"
    assert {statuses(c.recv(65536))[0] for c in connections} == {408}
    assert engine.started == 1
    for connection in connections:
        connection.close()


@pytest.mark.slow
def test_a_client_that_does_not_read_loses_its_slot_when_its_time_is_up(start, monkeypatch):
    monkeypatch.setattr(reply, "_LAST_WORDS_S", 0.2)
    engine = ScriptedEngine(text="x", longest=5_000_000)
    body = ENDLESS.replace(b"100000", b"5000000").replace(b"{", b'{"logprobs": 2, ')
    with start(engine, request_timeout_s=2.0) as client, socket.socket() as connection:
        host, port = url_of(client).removeprefix("http://").split(":")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.connect((host, int(port)))
        connection.sendall(post("/v1/completions", body))
        until(lambda: engine.started == 1, 2)
        until(lambda: not engine.running, 8)


@pytest.mark.parametrize("length", ["+5", "5, 5", "0x5", "1e3", "999999999999999999999"])
def test_a_content_length_that_is_no_number_is_refused(served, length):
    found = statuses(raw(served[1], post("/v1/completions", b"{}", f"Content-Length: {length}")))
    assert set(found) <= {400, 408, 413}


def test_two_lengths_of_one_body_are_not_believed(served):
    smuggled = post("/v1/completions", b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", "Content-Length: 4")
    both = smuggled.replace(b"Content-Length: 4", b"Content-Length: 4\r\nTransfer-Encoding: chunked")
    assert 500 not in statuses(raw(served[1], both))


@pytest.mark.slow
def test_two_hundred_clients_that_hang_up_at_once_free_their_slots_within_two_steps(start):
    engine = ScriptedEngine(pause_s=0.05, max_batch=200)
    with start(engine) as client:
        host, port = url_of(client).removeprefix("http://").split(":")
        connections = [socket.create_connection((host, int(port))) for _ in range(200)]
        for connection in connections:
            connection.sendall(post("/v1/completions", ENDLESS))
        until(lambda: len(engine.running) == 200)
        for connection in connections:
            assert connection.recv(100)
        began = time.monotonic()
        for connection in connections:
            connection.close()
        closed_s = time.monotonic() - began
        until(lambda: not engine.running, closed_s + 2 * engine.pause_s + 0.5)
    assert engine.closed == engine.started == 200


@pytest.mark.slow
def test_two_thousand_requests_leave_no_memory_behind(start):
    engine = ScriptedEngine(pause_s=0.001, max_batch=64, max_queue=64, longest=2000)
    with start(engine) as client:
        url = url_of(client)

        def hang_up(_):
            host, port = url.removeprefix("http://").split(":")
            with socket.create_connection((host, int(port))) as connection:
                connection.sendall(post("/v1/completions", ENDLESS))
                connection.recv(100)

        def rounds(count):
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(hang_up, range(count)))
            until(lambda: not engine.running)
            engine.requests.clear()
            gc.collect()
            return psutil.Process().memory_info().rss, len(gc.get_objects())

        rounds(500)
        before, after = rounds(500), rounds(2000)
    assert after[1] - before[1] < 2_000, "objects"
    assert after[0] - before[0] < 8 << 20, "bytes"


@pytest.mark.slow
def test_a_thousand_mutilated_requests_are_never_a_fault_of_ours(served):
    _, url = served
    dice = random.Random(7)
    good = post("/v1/completions", json.dumps({"prompt": "从前", "n": 2, "stream": True}).encode())
    for _ in range(1000):
        bad = bytearray(good)
        for _ in range(dice.randint(1, 6)):
            at = dice.randrange(len(bad))
            bad[at : at + dice.randint(0, 4)] = dice.randbytes(dice.randint(0, 4))
        answer = raw(url, bytes(bad), half_close=True, timeout_s=1)
        assert not any(status >= 500 for status in statuses(answer)), bytes(bad)

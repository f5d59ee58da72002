"""What a client hears when the server behind the proxy dies."""

from __future__ import annotations

import asyncio
import json

import pytest

from novelray.endpoint.broken import EndsBroken

SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]


def heard(messages, error=None, headers=SSE):
    """What goes out when the application sends these body parts and then breaks off."""
    sent = []

    async def app(scope, receive, send):
        if messages:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        for body, more in messages:
            await send({"type": "http.response.body", "body": body, "more_body": more})
        if error is not None:
            raise error

    async def send(message):
        sent.append(message)

    async def run():
        await EndsBroken(app)({"type": "http", "method": "POST", "path": "/", "headers": []}, None, send)

    if error is None:
        asyncio.run(run())
    else:
        with pytest.raises(type(error)):
            asyncio.run(run())
    return sent


@pytest.mark.parametrize("error", [None, RuntimeError("the replica died")])
def test_a_stream_that_breaks_off_ends_with_an_error_that_says_so(error):
    last = heard([(b"data: {}\n\n", True)], error)[-1]
    assert not last["more_body"]
    found = json.loads(last["body"].decode().removeprefix("data: "))["error"]
    assert (found["code"], found["type"]) == ("replica_lost", "server_error")
    assert "tried again" in found["message"]


def test_an_answer_that_never_began_is_503():
    start, _ = heard([])
    assert start["status"] == 503
    assert (b"retry-after", b"1") in start["headers"]


def test_what_ends_by_itself_is_left_alone():
    assert len(heard([(b"data: [DONE]\n\n", False)])) == 2
    assert len(heard([(b'{"half', True)], headers=[(b"content-type", b"application/json")])) == 2

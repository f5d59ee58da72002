"""What the endpoint's tests share: a real HTTP server around an app, and an engine that follows a script."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import uvicorn

from novelray.generate.protocol import Capacity, Chunk, PromptTooLongError, QueueFullError, TokenLogprob, Usage


class ScriptedEngine:
    """One character is one token; every answer is `text`, a character each `pause_s`. Remembers what was asked."""

    def __init__(
        self,
        text="山雨欲来。",
        pause_s=0.0,
        max_batch=8,
        max_queue=8,
        context=200,
        fail_at=None,
        cached=0,
        longest=100_000,
    ):
        self.text, self.pause_s, self.fail_at, self.longest = text, pause_s, fail_at, longest
        self.max_batch, self.max_queue, self.context, self.cached = max_batch, max_queue, context, cached
        self.running: set[str] = set()
        self.requests = []
        self.styles = {}
        self.started = self.closed = 0

    async def generate(self, request):
        if len(self.running) >= self.max_batch + self.max_queue:
            raise QueueFullError(self.max_queue, 1)
        if len(request.prompt_ids) >= self.context:
            raise PromptTooLongError(len(request.prompt_ids), self.context)
        self.requests.append(request)
        self.running.add(request.id)
        self.started += 1
        try:
            async for chunk in self._chunks(request):
                yield chunk
        finally:
            self.running.discard(request.id)
            self.closed += 1

    async def _chunks(self, request):
        sampling = request.sampling
        limit = min(sampling.max_tokens, self.longest)
        text = (self.text * limit)[:limit] if sampling.ignore_eos else self.text
        cut = text[:limit]
        for i, char in enumerate(cut):
            if i < len(request.resumed):
                continue
            await asyncio.sleep(self.pause_s)
            if i == self.fail_at:
                raise RuntimeError("the engine broke")
            last = i == len(cut) - 1
            reason = ("length" if len(text) > len(cut) or sampling.ignore_eos else "stop") if last else None
            alternatives = ((ord(char), char, -0.5), (0, "x", float("-inf")))[: sampling.logprobs or 0]
            logprobs = (TokenLogprob(ord(char), char, -0.5, alternatives),) if sampling.logprobs is not None else ()
            yield Chunk(char, (ord(char),), Usage(len(request.prompt_ids), i + 1, self.cached), logprobs, reason)

    async def restyle(self, request_id, style):
        self.styles[request_id] = style
        return request_id in self.running

    def cancel(self, request_id):
        self.running.discard(request_id)

    def capacity(self):
        waiting = max(0, len(self.running) - self.max_batch)
        return Capacity(
            len(self.running) - waiting, waiting, self.max_batch, self.max_queue, self.context, vocabulary=0x110000
        )

    def encode(self, text):
        return tuple(map(ord, text))

    def encode_chat(self, messages):
        return self.encode("\n".join(m["content"] for m in messages))

    def decode(self, token_ids):
        return "".join(map(chr, token_ids))

    def heads(self):
        return {}

    async def close(self):
        self.running.clear()


@contextmanager
def running(app) -> Iterator[str]:
    """Run the app under uvicorn on a free port, in a thread; gives the base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        until(lambda: server.started)
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(10)


def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait for a condition, failing when it does not come true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_idle(url: str) -> bool:
    """Whether nothing is generated or waits behind this address."""
    state = httpx.get(f"{url}/ready").json()
    return state["running"] == 0 and state["waiting"] == 0


def raw(url: str, *parts: bytes, half_close: bool = False, timeout_s: float = 10.0) -> bytes:
    """Send bytes over a bare socket and read until the server closes or stops for half a second after an answer."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout_s) as connection:
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            while block := connection.recv(65536):
                answer += block
                connection.settimeout(0.5)
        except (TimeoutError, ConnectionError):
            pass
        return answer


def post(path: str, body: bytes, *headers: str) -> bytes:
    """A POST request as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    if not any(h.lower().startswith(("content-length", "transfer-encoding")) for h in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body

"""What every request passes before anything reads it: its key and the key's limits, then its size. Plain ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novelray.endpoint.errors import ApiError, answer
from novelray.endpoint.keys import KeyRecord, KeyStore
from novelray.endpoint.meter import Meter
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import trace_of
from novelray.errors import NovelRayError

_COURTESY = 8
"""A body up to this many times the limit is read to its end and thrown away before it is answered 413: a client that
is still writing would otherwise see a broken connection in place of the answer."""


OPEN_PATHS = frozenset({"/health", "/ready"})
"""What probes may ask without a key. All else needs one, routes added later too."""


FREE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""Looking at what there is does not count as a request."""


class KeyGate:
    """401 without a valid `Authorization: Bearer` key, 429 when its rate is used up.

    The key's record goes into the scope as `novelray.key`, the request's ticket as `novelray.ticket`.
    """

    def __init__(self, app: ASGIApp, keys: KeyStore, meter: Meter) -> None:
        self.app, self.keys, self.meter = app, keys, meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            return await self.app(scope, receive, send)
        trace = trace_of(scope)
        try:
            record = scope["novelray.key"] = await check_key(self.keys, scope)
            trace.key = record.name
            if scope["method"] in FREE_METHODS:
                return await self.app(scope, receive, send)
            ticket = scope["novelray.ticket"] = await self.meter.enter(record)
        except (ApiError, NovelRayError) as error:
            return await answer(error, scope, receive, send)

        def settle() -> None:
            ticket.settle(trace.prompt_tokens, trace.new_tokens)

        try:
            return await self.app(scope, receive, _before_the_end(_with_headers(send, ticket.account.headers), settle))
        finally:
            settle()


async def check_key(keys: KeyStore, scope: Scope) -> KeyRecord:
    """The record of the key that a request brings; nothing of its body is read. Raises ApiError 401, StorageError."""
    secret = _bearer(scope["headers"])
    if secret is None:
        raise _unauthorised("No API key was given. Send it as: Authorization: Bearer nr-...", None)
    record = keys.cached(secret) or await asyncio.to_thread(keys.verify, secret)
    if record is None:
        raise _unauthorised("The API key is wrong or revoked. Make one with: novelray keys create NAME", secret)
    return record


class SizeLimit:
    """431 for headers and 413 for a body larger than allowed, 408 for one that takes too long to arrive.

    The body is handed on in one piece.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.max_bytes, self.timeout_s = app, settings.max_body_bytes, settings.body_timeout_s
        self.max_header_bytes = settings.max_header_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            self._check_headers(scope)
            async with asyncio.timeout(self.timeout_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = ApiError(408, f"The body did not arrive within {self.timeout_s:g} s.", code="body_timeout")
            return await answer(late, scope, receive, send)
        except ApiError as error:
            return await answer(error, scope, receive, send)
        if body is None:
            return None  # the client left before its request was whole
        return await self.app(scope, replay(body, receive), send)

    def _check_headers(self, scope: Scope) -> None:
        if sum(len(name) + len(value) for name, value in scope["headers"]) > self.max_header_bytes:
            message = f"The headers are larger than {self.max_header_bytes} bytes."
            raise ApiError(431, message, code="headers_too_large")

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        headers = dict(scope["headers"])
        declared = _number(headers.get(b"content-length"))
        if declared > self.max_bytes * _COURTESY or (declared > self.max_bytes and b"expect" in headers):
            raise self._too_large()
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return None
            part, more = message.get("body", b""), message.get("more_body", False)
            size += len(part)
            if size <= self.max_bytes:
                parts.append(part)
            elif size > self.max_bytes * _COURTESY:
                raise self._too_large()
        if size > self.max_bytes:
            raise self._too_large()
        return b"".join(parts)

    def _too_large(self) -> ApiError:
        return ApiError(413, f"The body is larger than {self.max_bytes} bytes.", code="body_too_large")


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body first and then waits on the connection, which tells of a disconnect."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


def _with_headers(send: Send, headers: Callable[[], Mapping[str, str]]) -> Send:
    """A `send` that adds headers, as they are at that moment, where the answer does not have them already."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            there = MutableHeaders(scope=message)
            for name, value in headers().items():
                there.setdefault(name, value)
        await send(message)

    return sending


def _before_the_end(send: Send, settle: Callable[[], None]) -> Send:
    """A `send` that settles first: a client that has its answer whole can ask again with all that it left."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            settle()
        await send(message)

    return sending


def _unauthorised(message: str, secret: str | None) -> ApiError:
    code = "invalid_api_key" if secret is not None else "missing_api_key"
    return ApiError(401, message, code=code, headers={"WWW-Authenticate": "Bearer"})


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.decode("latin-1").strip().partition(" ")
            return secret.strip() if scheme.lower() == "bearer" and secret.strip() else None
    return None


def _number(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() else 0

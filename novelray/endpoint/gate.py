"""What every request passes before anything reads it: the API key, then the size of its body. Plain ASGI."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novelray.endpoint.errors import ApiError, as_api_error
from novelray.endpoint.keys import KeyRecord, KeyStore
from novelray.errors import NovelRayError

_COURTESY = 8
"""A body up to this many times the limit is read to its end and thrown away before it is answered 413: a client that
is still writing would otherwise see a broken connection in place of the answer."""


OPEN_PATHS = frozenset({"/health", "/ready"})
"""What probes may ask without a key. All else needs one, routes added later too."""


class KeyGate:
    """401 without a valid `Authorization: Bearer` key. The key's record goes into the scope as `novelray.key`."""

    def __init__(self, app: ASGIApp, keys: KeyStore) -> None:
        self.app, self.keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            return await self.app(scope, receive, send)
        try:
            scope["novelray.key"] = await self._check(_bearer(scope["headers"]))
        except (ApiError, NovelRayError) as error:
            return await as_api_error(error).response()(scope, receive, send)
        return await self.app(scope, receive, send)

    async def _check(self, secret: str | None) -> KeyRecord:
        if secret is None:
            raise _unauthorised("No API key was given. Send it as: Authorization: Bearer nr-...", None)
        record = self.keys.cached(secret) or await asyncio.to_thread(self.keys.verify, secret)
        if record is None:
            raise _unauthorised("The API key is wrong or revoked. Make one with: novelray keys create NAME", secret)
        return record


class BodyLimit:
    """Hands the body on in one piece: 413 when it is larger than allowed, 408 when it takes too long to arrive."""

    def __init__(self, app: ASGIApp, max_bytes: int, timeout_s: float) -> None:
        self.app, self.max_bytes, self.timeout_s = app, max_bytes, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            async with asyncio.timeout(self.timeout_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            late = ApiError(408, f"The body did not arrive within {self.timeout_s:g} s.", code="body_timeout")
            return await late.response()(scope, receive, send)
        except ApiError as error:
            return await error.response()(scope, receive, send)
        if body is None:
            return None  # the client left before its request was whole
        return await self.app(scope, _replay(body, receive), send)

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


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the whole body first and then waits on the connection, which tells of a disconnect."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return pending.pop() if pending else await receive()

    return replayed


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

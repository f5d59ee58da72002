"""The outermost layer: gives each request its id and its trace, and tells log and metrics how it ended. Plain ASGI."""

from __future__ import annotations

import json
import logging
import re
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novelray.endpoint.errors import answer
from novelray.endpoint.metrics import CANCELLED, DURATION, REQUESTS, Metrics
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import CLIENT_LEFT, Trace

access = logging.getLogger("novelray.access")

_SANE_ID = re.compile(r"[\w.:@/+=-]{1,128}", re.ASCII)
_QUIET_PATHS = frozenset({"/health", "/ready"})
"""Probes ask every few seconds: they are measured and not logged."""


class _ConnectionLostError(Exception):
    """The answer could not be sent."""


class Watch:
    """Every request gets an id (the client's own `X-Request-Id` when it is sane), an access line, and is measured."""

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics
        self.logs, self.sends_id = settings.access_log, settings.sends_request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        trace = scope["novelray.trace"] = Trace(_request_id(Headers(scope=scope)), self.metrics)
        try:
            await self._run(trace, scope, receive, send)
        finally:
            if trace.status is None:
                trace.status = CLIENT_LEFT  # it went before there was an answer
            self._measure(trace, scope)
            if self.logs and scope["path"] not in _QUIET_PATHS:
                access.info("%s", json.dumps(_line(trace, scope), ensure_ascii=False))

    async def _run(self, trace: Trace, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                trace.status = trace.status or message["status"]
                if self.sends_id:
                    MutableHeaders(scope=message)["x-request-id"] = trace.request_id
            try:
                await send(message)
            except (OSError, RuntimeError) as error:  # what servers raise when the connection breaks under them
                raise _ConnectionLostError from error

        try:
            await self.app(scope, receive, sending)
        except _ConnectionLostError:
            trace.status = CLIENT_LEFT
        except Exception as error:
            if started:  # nothing can be said any more; the server breaks the connection
                raise
            await answer(error, scope, receive, sending)

    def _measure(self, trace: Trace, scope: Scope) -> None:
        route, status = _route(scope), str(trace.status)
        self.metrics.add(REQUESTS, route=route, status=status, code=trace.code or "", model=trace.model)
        self.metrics.observe(DURATION, trace.seconds, route=route, model=trace.model)
        if trace.status == CLIENT_LEFT:
            self.metrics.add(CANCELLED, model=trace.model)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else f"req-{uuid.uuid4().hex}"


def _route(scope: Scope) -> str:
    """The route's own path, `/v1/models/{name}`: what clients make up must not become ever more time series."""
    return str(getattr(scope.get("route"), "path", None) or "none")


def _line(trace: Trace, scope: Scope) -> dict[str, Any]:
    ttft = trace.first_token_s
    return {
        "request_id": trace.request_id, "key": trace.key, "method": scope["method"], "path": scope["path"][:200],
        "status": trace.status, "code": trace.code, "model": trace.model or None,
        "prompt_tokens": trace.prompt_tokens, "new_tokens": trace.new_tokens,
        "ttft_s": None if ttft is None else round(ttft, 4), "duration_s": round(trace.seconds, 4),
    }  # fmt: skip

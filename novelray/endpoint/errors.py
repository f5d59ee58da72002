"""Errors as OpenAI clients expect them: `{"error": {"message", "type", "param", "code"}}` with the right status."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from novelray.endpoint.trace import trace_of
from novelray.errors import DamagedError, ModelError, NovelRayError, StorageError
from novelray.generate.protocol import PromptTooLongError, QueueFullError, RequestError

log = logging.getLogger(__name__)

_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


class ApiError(Exception):
    """An answer other than 200. `param` names the field at fault, `code` is for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """The JSON body; the same object goes into a stream whose headers are out already."""
        kind = _TYPES.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.status, self.headers)


def model_not_found(name: str, valid: list[str]) -> ApiError:
    """404 that lists what could have been asked for."""
    message = f"There is no model {name[:100]!r} here. Valid ids: {', '.join(valid) or 'none for this key'}."
    return ApiError(404, message, param="model", code="model_not_found")


def as_api_error(error: BaseException) -> ApiError:
    """The answer for anything that can go wrong while a request is served."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, QueueFullError):
        retry = {"Retry-After": str(max(1, error.retry_after_s))}
        return ApiError(429, f"{error.message} {error.hint}", code="rate_limit_exceeded", headers=retry)
    if isinstance(error, PromptTooLongError):
        return ApiError(400, f"{error.message} {error.hint}", param="prompt", code="context_length_exceeded")
    if isinstance(error, StorageError):
        log.error("storage: %s", error.message)
        return ApiError(503, "The key database does not answer. Try again.", code="not_ready")
    if isinstance(error, ModelError | DamagedError):
        log.error("an adapter cannot be used: %s", error.message)
        return ApiError(422, f"{error.message} {error.hint}".strip(), param="model", code="adapter_unusable")
    if isinstance(error, RequestError):
        return ApiError(422, f"{error.message} {error.hint}".strip(), code="invalid_value")
    log.error("a request failed", exc_info=error)
    return ApiError(500, "The server failed on this request. It can be tried again.", code="internal_error")


def install(app: FastAPI) -> None:
    """Have the application answer every exception with an OpenAI error body."""
    for kind in (ApiError, NovelRayError, Exception):
        app.add_exception_handler(kind, _answer)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def answer(error: BaseException, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer an ASGI request with an error. The trace remembers its code."""
    found = as_api_error(error)
    trace_of(scope).code = found.code
    await found.response()(scope, receive, send)


async def _answer(request: Request, error: Exception) -> JSONResponse:
    found = as_api_error(error)
    trace_of(request.scope).code = found.code
    return found.response()


async def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = f"There is nothing at {request.method} {request.url.path}."
    elif error.status_code == 405:
        message = f"{request.url.path} does not take {request.method}."
    elif error.status_code == 400:
        message = "The body is not valid UTF-8 JSON."
    return ApiError(error.status_code, message, headers=error.headers).response()


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    return await _answer(request, _of_validation(error))


def _of_validation(error: RequestValidationError) -> ApiError:
    """400 for a body that is no JSON, 422 naming the first bad field otherwise. Never echoes the input."""
    first = _most_specific(list(error.errors()))
    if first["type"] == "json_invalid":
        return ApiError(400, f"The body is not valid JSON: {first['ctx']['error']}.", code="invalid_json")
    path = [str(p) for p in first["loc"][1:] if not str(p).endswith("]")]
    if not path:
        message = "The body is not a JSON object sent with Content-Type: application/json."
        return ApiError(400, message, code="invalid_json")
    field = next((p for p in reversed(path) if p.isidentifier()), path[0])
    top = path[0]
    what = str(first["msg"]).removeprefix("Value error, ")
    message = f"{top if top == field else f'{top}.{field}'}: {what}."
    return ApiError(422, message, param=top, code="invalid_value")


def _most_specific(errors: list[dict[str, Any]]) -> dict[str, Any]:
    """Unions report each alternative: the one that got furthest is what the caller meant."""
    head = errors[0]["loc"][:2]
    return max((e for e in errors if e["loc"][:2] == head), key=lambda e: len(e["loc"]))

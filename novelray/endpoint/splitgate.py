"""Before everything else, while a canary runs: which version gets a request, and how that went. Plain ASGI.

Only requests of the canary make a hop more; those of the stable version are answered here. A canary that fails before
it has said anything costs its client nothing: the stable version answers instead.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from novelray.endpoint.answers import unless_gone
from novelray.endpoint.canary import Arm, Outcome, Split
from novelray.endpoint.errors import ApiError
from novelray.endpoint.gate import SizeLimit, check_key, replay
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.settings import Settings
from novelray.errors import NovelRayError

log = logging.getLogger(__name__)

SPLIT_PATHS = frozenset({
    "/v1/completions", "/v1/chat/completions", "/v1/tokenize", "/v1/classify", "/classify"
})  # fmt: skip
GENERATING = frozenset({"/v1/completions", "/v1/chat/completions"})


class Rollout(Protocol):
    """What the gate asks of the cluster."""

    @property
    def split(self) -> Split | None:
        """How requests are divided now; None: all to the version here."""
        ...

    def report(self, outcome: Outcome) -> None:
        """A request ended."""
        ...

    async def forward(self, scope: Scope, body: bytes, send: Send) -> None:
        """Have the canary answer; cancelled when the client leaves.

        Raises ForwardError when it failed (5xx too) before it had sent anything.
        """
        ...

    async def run(self) -> None:
        """Keep `split` up to date, for ever."""
        ...


class ForwardError(Exception):
    """The canary did not answer. `busy`: it had no room, which is no fault of the version."""

    def __init__(self, why: str, busy: bool = False) -> None:
        super().__init__(why)
        self.busy = busy


class SplitGate:
    """The application as clients see it. `app`: the version here; its lifespan is also that of `rollout.run`.

    `keys`: as `app` has them; None: requests need no key.
    """

    def __init__(self, app: ASGIApp, rollout: Rollout, settings: Settings, keys: KeyStore | None) -> None:
        self.app, self._rollout, self._keys = app, rollout, keys
        self._dividing = SizeLimit(self._divide, settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            following = asyncio.create_task(self._rollout.run())
            try:
                return await self.app(scope, receive, send)
            finally:
                following.cancel()
        divided = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in SPLIT_PATHS
        if divided and self._rollout.split is not None and await self._may_ask(scope):
            await self._dividing(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _may_ask(self, scope: Scope) -> bool:
        """Whether its body may be read. Where not, the version here says why; where it may, that knows the key now."""
        try:
            return self._keys is None or bool(await check_key(self._keys, scope))
        except (ApiError, NovelRayError):
            return False

    async def _divide(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: bytes = (await receive())["body"]
        split = self._rollout.split
        model, client = asked_by(scope, body)
        if split is not None and split.arm(model, client) == "canary":
            watched = Watched("canary", send)
            try:
                await unless_gone(self._rollout.forward(scope, body, watched), receive)
            except ForwardError as error:
                log.warning("the canary did not answer: %s", error)
                if not error.busy:
                    self._rollout.report(Outcome("canary", failed=True))
                if model == split.canary:  # nobody else may write under this id
                    return await _away(model).response()(scope, receive, send)
            else:
                return self._tell(scope, watched)
        watched = Watched("stable", send)
        try:
            await self.app(scope, replay(body, receive), watched)
        finally:  # an error of ours is raised once it was answered
            self._tell(scope, watched)

    def _tell(self, scope: Scope, watched: Watched) -> None:
        if scope["path"] in GENERATING and watched.counts:
            self._rollout.report(watched.outcome())


class Watched:
    """A `send` that notes whether an answer failed, and when its text began."""

    def __init__(self, arm: Arm, send: Send) -> None:
        self._arm, self._send, self._began = arm, send, time.monotonic()
        self._status, self._stream, self._failed = 0, False, False
        self._first_s: float | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._stream = dict(message["headers"]).get(b"content-type", b"").startswith(b"text/event-stream")
        elif self._stream and (body := message.get("body", b"")).startswith(b"data: "):
            self._failed |= body.startswith(b'data: {"error"')
            if self._first_s is None:
                self._first_s = time.monotonic() - self._began
        await self._send(message)

    @property
    def counts(self) -> bool:
        """Whether it says anything of the version: what a client did wrong, or gave up before the start, does not."""
        return self._status == 200 or self._status >= 500

    def outcome(self) -> Outcome:
        return Outcome(self._arm, self._failed or self._status >= 500, self._first_s)


def asked_by(scope: Scope, body: bytes) -> tuple[str | None, str]:
    """The model that a request names, and who asks: the key and the `user` of the body, else the address."""
    fields = _fields(body)
    model, user = fields.get("model"), fields.get("user")
    key = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"), "")
    address = (scope.get("client") or ("",))[0] if not (key or user) else ""
    return (model if isinstance(model, str) else None), f"{key}\n{user if isinstance(user, str) else ''}\n{address}"


def _away(model: str) -> ApiError:
    return ApiError(503, f"{model} does not answer now. Try again.", code="not_ready", headers={"Retry-After": "5"})


def _fields(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}

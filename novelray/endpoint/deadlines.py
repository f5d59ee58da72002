"""How long a request may take: for its first token, and in all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from novelray.endpoint.errors import ApiError
from novelray.endpoint.settings import Settings

_EARLY_S = 0.001
"""A timer may go off before its time by the rounding of clocks."""


class Deadlines:
    """Counts from its making. `queued`: no token has come yet."""

    def __init__(self, settings: Settings) -> None:
        self._queue_s, self._total_s, self._began = (
            settings.queue_timeout_s,
            settings.request_timeout_s,
            time.monotonic(),
        )
        self.queued = True

    @asynccontextmanager
    async def in_all(self) -> AsyncIterator[None]:
        """Ends what runs in it when the request's time is up. Raises ApiError 504 then."""
        left = None if self._total_s is None else self._total_s - self._passed()
        try:
            async with asyncio.timeout(left) as limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            message = f"The request took longer than {self._total_s:g} s. Ask for fewer tokens, or stream and go on."
            raise ApiError(504, message, code="request_timeout") from None

    def for_chunk(self, wait_s: float | None) -> float | None:
        """How long to wait for the next chunk: `wait_s`, or less when the time in the queue is up before."""
        if not self.queued or self._queue_s is None:
            return wait_s
        left = max(0.0, self._queue_s - self._passed())
        return left if wait_s is None else min(wait_s, left)

    def check(self) -> None:
        """Raises ApiError 503 when the first token has taken too long."""
        if self.queued and self._queue_s is not None and self._passed() >= self._queue_s - _EARLY_S:
            message = f"No token came within {self._queue_s:g} s: the server is busy. Try again later."
            raise ApiError(503, message, code="queue_timeout", headers={"Retry-After": "10"})

    def _passed(self) -> float:
        return time.monotonic() - self._began

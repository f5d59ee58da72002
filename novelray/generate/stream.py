"""From the engine's thread to one reader in an event loop: what asyncio.Queue does, without what it does besides."""

from __future__ import annotations

import asyncio
from collections import deque

from novelray.generate.generation import Event


class Stream:
    """Events of one request. Both methods are called in the event loop; there is one reader."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, event: Event) -> None:
        """Add an event and wake the reader."""
        self._events.append(event)
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    async def get(self) -> Event:
        """The next event, as soon as there is one."""
        while not self._events:
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._events.popleft()

"""From the engine's thread to one reader in an event loop: what asyncio.Queue does, without what it does besides."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace

from novelray.generate.generation import Event
from novelray.generate.protocol import Chunk


class Stream:
    """Events of one request. Both methods are called in the event loop; there is one reader."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._reader: asyncio.Future[None] | None = None

    def put(self, event: Event) -> None:
        """Add an event and wake the reader. Pieces that nobody read yet become one."""
        last = self._events[-1] if self._events else None
        if isinstance(last, Chunk) and isinstance(event, Chunk) and not event.logprobs:
            self._events[-1] = joined(last, event)
        else:
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


def joined(first: Chunk, second: Chunk) -> Chunk:
    """Two chunks of a stream that follow each other as one. Those with log-probabilities stay apart: some clients read
    one token from each."""
    return replace(second, text=first.text + second.text, token_ids=first.token_ids + second.token_ids,
                   logprobs=first.logprobs, interventions=first.interventions + second.interventions,
                   prompt_logprobs=first.prompt_logprobs)  # fmt: skip

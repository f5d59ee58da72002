"""The chunks of one or several engine requests as one stream, and the end of them all when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, cast

from novelray.generate.protocol import Chunk, Engine, Request

Item = tuple[int, Chunk]


class Answers:
    """Runs the requests together. Use as `async with`: leaving it ends whatever is still generated, at once."""

    def __init__(self, engine: Engine, requests: Sequence[Request]) -> None:
        self._engine, self._requests = engine, requests
        self._queue: asyncio.Queue[Item | Exception] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._left = len(requests)
        self._held: Item | None = None

    async def __aenter__(self) -> Answers:
        self._tasks = [asyncio.create_task(self._pull(i, request)) for i, request in enumerate(self._requests)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def finished(self) -> bool:
        """Whether every request's last chunk was read."""
        return self._left == 0 and self._held is None

    async def next(self, wait_s: float | None = None) -> Item | None:
        """The next chunk with the index of its request; None when `wait_s` pass without one.

        Raises what the engine raised. Must not be called once `finished`.
        """
        if self._held is not None:
            item, self._held = self._held, None
            return item
        try:
            async with asyncio.timeout(wait_s):
                found = await self._queue.get()
        except TimeoutError:
            return None
        if isinstance(found, Exception):
            raise found
        if found[1].finish_reason is not None:
            self._left -= 1
        return found

    async def started(self, wait_s: float | None) -> bool:
        """Return once there is a chunk to read, or after `wait_s`: whether there is. Raises what the engine raised."""
        self._held = await self.next(wait_s)
        return self._held is not None

    async def _pull(self, index: int, request: Request) -> None:
        try:
            async with aclosing(cast(Any, self._engine.generate(request))) as chunks:
                async for chunk in chunks:
                    self._queue.put_nowait((index, chunk))
                    if chunk.finish_reason is not None:
                        return
            raise RuntimeError("the engine's stream ended without a finish reason")
        except Exception as error:
            self._queue.put_nowait(error)


async def unless_gone(work: Awaitable[None], receive: Callable[[], Awaitable[Any]]) -> bool:
    """Do `work`, but cancel it as soon as the client disconnects. Returns False when that happened."""
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        for task in (working, gone):
            task.cancel()
        await asyncio.gather(working, gone, return_exceptions=True)


async def _gone(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

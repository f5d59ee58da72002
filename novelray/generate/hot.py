"""An engine whose adapters come by themselves: loaded when a request first asks for one, the longest unused make room.

An adapter that a text needs is never taken away, nor changed: its id is immutable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

from novelray.generate.detokenise import Vocabulary
from novelray.generate.protocol import AdaptersBusyError, Capacity, Chunk, Engine, Request, RequestError

log = logging.getLogger(__name__)

RETRY_S = 5
"""When a place for an adapter is likely to come free, in seconds: a guess, texts differ by orders of magnitude."""

Fetch = Callable[[str], Awaitable[str]]
"""From an adapter's id to its folder on this machine. Raises NovelRayError."""


class HotAdapters:
    """Implements `novelray.generate.protocol.Engine` around another one. `most`: adapters that are loaded at once.

    `on_load` is called with the id of each adapter that was loaded.
    """

    def __init__(self, engine: Engine, fetch: Fetch, most: int) -> None:
        self._engine, self._fetch, self.most = engine, fetch, most
        self.on_load: Callable[[str], None] = lambda adapter_id: log.info("adapter %s loaded", adapter_id)
        self._loaded: OrderedDict[str, None] = OrderedDict()  # the longest unused first
        self._pins: Counter[str] = Counter()  # texts that need an adapter, or are about to
        self._coming: dict[str, asyncio.Task[None]] = {}
        self._one_change = asyncio.Lock()

    @property
    def loaded(self) -> tuple[str, ...]:
        """Ids of the adapters that are loaded, the longest unused first."""
        return tuple(self._loaded)

    @property
    def vocabulary(self) -> Vocabulary:
        """See `Engine.vocabulary`."""
        return self._engine.vocabulary

    def generate(self, request: Request) -> AsyncIterator[Chunk]:
        """See `Engine.generate`. Raises AdaptersBusyError when there is no place for what the style needs."""
        return self._styled(request) if request.style else self._engine.generate(request)

    async def restyle(self, request_id: str, style: Mapping[str, float]) -> bool:
        """See `Engine.restyle`; adapters that are not loaded are. Raises AdaptersBusyError."""
        async with self._held(style):
            return await self._engine.restyle(request_id, style)

    def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        self._engine.cancel(request_id)

    async def load_adapter(self, adapter_id: str, folder: str) -> None:
        """Load an adapter ahead of its first request, from a folder that is known already."""
        async with self._one_change:
            await self._load(adapter_id, folder)

    async def unload_adapter(self, adapter_id: str) -> None:
        """See `Engine.unload_adapter`."""
        async with self._one_change:
            await self._unload(adapter_id)

    def capacity(self) -> Capacity:
        """See `Engine.capacity`."""
        return self._engine.capacity()

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`."""
        return self._engine.encode(text)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """See `Engine.encode_chat`."""
        return self._engine.encode_chat(messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Engine.decode`."""
        return self._engine.decode(token_ids)

    def heads(self) -> Mapping[str, tuple[str, ...]]:
        """See `Engine.heads`."""
        return self._engine.heads()

    async def classify(self, prompt_ids: Sequence[int]) -> Mapping[str, Sequence[float]]:
        """See `Engine.classify`."""
        return await self._engine.classify(prompt_ids)

    async def close(self) -> None:
        """See `Engine.close`."""
        await self._engine.close()

    async def _styled(self, request: Request) -> AsyncIterator[Chunk]:
        async with self._held(request.style), aclosing(cast(Any, self._engine.generate(request))) as chunks:
            async for chunk in chunks:
                yield chunk

    @asynccontextmanager
    async def _held(self, wanted: Iterable[str]) -> AsyncIterator[None]:
        """Have these adapters loaded, and keep them so meanwhile."""
        ids = tuple(wanted)
        if len(ids) > self.most:
            raise RequestError(f"The style has {len(ids)} adapters; {self.most} are held at once.", "Name fewer.")
        self._pins.update(ids)
        try:
            for adapter_id in ids:
                await self._need(adapter_id)
            yield
        finally:
            self._pins.subtract(ids)

    async def _need(self, adapter_id: str) -> None:
        if adapter_id not in self._loaded:
            coming = self._coming.get(adapter_id)
            if coming is None:
                coming = self._coming[adapter_id] = asyncio.create_task(self._bring(adapter_id))
            await asyncio.shield(coming)  # a client that leaves does not stop what others may wait for
        self._loaded.move_to_end(adapter_id)

    async def _bring(self, adapter_id: str) -> None:
        try:
            folder = await self._fetch(adapter_id)
            async with self._one_change:
                await self._make_room()
                await self._load(adapter_id, folder)
        finally:
            del self._coming[adapter_id]

    async def _make_room(self) -> None:
        """Unload what was unused for longest until one more fits. Raises AdaptersBusyError."""
        for adapter_id in self.loaded:
            if len(self._loaded) < self.most:
                return
            if self._pins[adapter_id] <= 0:
                try:
                    await self._unload(adapter_id)
                except RequestError:  # a text still has it from before its style was changed
                    continue
        if len(self._loaded) >= self.most:
            raise AdaptersBusyError(self.most, RETRY_S)

    async def _load(self, adapter_id: str, folder: str) -> None:
        await self._engine.load_adapter(adapter_id, folder)
        self._loaded[adapter_id] = None
        self.on_load(adapter_id)

    async def _unload(self, adapter_id: str) -> None:
        await self._engine.unload_adapter(adapter_id)
        self._loaded.pop(adapter_id, None)
        log.info("adapter %s unloaded", adapter_id)

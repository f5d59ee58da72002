"""What writes chapters: takes those that nobody writes, as many as there is room for, and puts the text where readers
find it. A runner that dies is found out by its lease; the next one goes on from the tokens that are there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from novelray.endpoint.answers import Answers
from novelray.endpoint.chapters.record import Growth, Work
from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.metrics import CACHED_TOKENS, NEW_TOKENS, PROMPT_TOKENS, Metrics
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import count_interventions
from novelray.errors import ModelError, StorageError
from novelray.generate.protocol import Chunk, Engine, PromptTooLongError, QueueFullError, RequestError

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 4
"""So often a chapter is begun without growing before it is given up: it may be what stops the server."""

FLUSH_TOKENS = 64
"""Tokens after which text goes to the database before its time."""

TIDY_S = 3600.0
"""How often old chapters are removed."""

_HOPELESS = (PromptTooLongError, RequestError, ModelError)
"""What another attempt would meet again."""


class _LostError(Exception):
    """The chapter was ended by somebody, or is written by another runner now."""


class Runner:
    """The chapters that this replica writes. `run` until it is cancelled, then `close`."""

    def __init__(self, engine: Engine, settings: Callable[[], Settings], table: ChapterTable, metrics: Metrics) -> None:
        """`settings`: as they are now; adapters may have come to the models."""
        self._engine, self._known, self._table, self._metrics = engine, settings, table, metrics
        self._settings = settings().chapters
        self.owner = secrets.token_hex(8)
        self._tasks: set[asyncio.Task[None]] = set()  # named as their chapters
        self._woken = asyncio.Event()
        self._tidied = 0.0
        self._failing = False

    def wake(self) -> None:
        """There may be something to do."""
        self._woken.set()

    def stop(self, chapter_id: str) -> None:
        """Stop writing a chapter that was ended, if it is written here."""
        for task in self._tasks:
            if task.get_name() == chapter_id:
                task.cancel()

    async def run(self) -> None:
        """Take what there is room for, for ever."""
        while True:
            try:
                await self._take()
                await self._tidy()
                self._failing = False
            except StorageError as error:
                self._say(error)
            except Exception:  # the next round tries again
                log.exception("chapters could not be taken")
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._settings.poll_s)

    async def close(self) -> None:
        """Let what is written end for `drain_s`, and give the rest back, so that another replica goes on at once."""
        if self._tasks and self._settings.drain_s:
            await asyncio.wait(self._tasks, timeout=self._settings.drain_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            await asyncio.to_thread(self._table.release, self.owner)
        except StorageError as error:
            self._say(error)  # the leases run out by themselves

    def _has_room(self) -> bool:
        """Requests that wait go first, and one place in the batch is always theirs."""
        capacity = self._engine.capacity()
        most = min(self._settings.max_running, max(1, capacity.max_batch - 1))
        return len(self._tasks) < most and not capacity.waiting and capacity.running < capacity.max_batch

    async def _take(self) -> None:
        while self._has_room():
            models = [model.id for model in self._known().models]
            here = [task.get_name() for task in self._tasks]  # late with its lease, but it is being written
            asked = (self.owner, models, self._settings.lease_s, MOST_ATTEMPTS, here)
            work = await asyncio.to_thread(self._table.claim, *asked)
            if work is None:
                return
            task = asyncio.create_task(self._write(work), name=work.id)
            self._tasks.add(task)
            task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _write(self, work: Work) -> None:
        try:
            await self._generate(work)
        except _LostError:
            return
        except QueueFullError:
            await self._end(self._table.release, work.lease)
        except StorageError as error:
            self._say(error)  # what is not there was told to nobody: the lease runs out, and it is written again
        except _HOPELESS as error:
            await self._end(self._table.fail, work, f"{error.message} {error.hint}".strip())
        except Exception:  # when the lease has run out somebody tries again
            log.exception("a chapter failed")

    async def _generate(self, work: Work) -> None:
        async with Answers(self._engine, [work.request]) as answers:
            written: list[Chunk] = []
            since, first = time.monotonic(), not work.request.resumed
            while not answers.finished:
                item = await answers.next(max(0.0, since + self._settings.flush_s - time.monotonic()))
                if item is not None:
                    written.append(item[1])
                    self._count(work, item[1], first)
                    first = False
                    if item[1].finish_reason == "cancelled":  # the engine closes
                        return await self._end(self._table.release, work.lease)
                if item is None or answers.finished or sum(len(c.token_ids) for c in written) >= FLUSH_TOKENS:
                    await self._flush(work, written)
                    written, since = [], time.monotonic()

    def _count(self, work: Work, chunk: Chunk, first: bool) -> None:
        if first:
            self._metrics.add(PROMPT_TOKENS, len(work.request.prompt_ids), model=work.model)
            self._metrics.add(CACHED_TOKENS, chunk.usage.cached_tokens, model=work.model)
        self._metrics.add(NEW_TOKENS, len(chunk.token_ids), model=work.model)
        count_interventions(self._metrics, work.model, chunk)

    async def _flush(self, work: Work, chunks: list[Chunk]) -> None:
        text = "".join(c.text for c in chunks)
        tokens = tuple(token for c in chunks for token in c.token_ids)
        end = (chunks[-1].finish_reason, chunks[-1].stop_reason) if chunks else (None, None)
        growth = Growth(text, tokens, *end, tuple(one for c in chunks for one in c.interventions))
        if not await asyncio.to_thread(self._table.grow, work, growth, self._settings.lease_s):
            raise _LostError

    async def _end(self, change: Callable[..., Any], *values: Any) -> None:
        try:
            await asyncio.to_thread(change, *values)
        except StorageError as error:
            self._say(error)

    async def _tidy(self) -> None:
        if time.monotonic() - self._tidied > TIDY_S or not self._tidied:
            self._tidied = time.monotonic()
            await asyncio.to_thread(self._table.expire, self._settings.keep_days)

    def _say(self, error: StorageError) -> None:
        if not self._failing:
            log.warning("%s Chapters wait until it does.", error.message)
        self._failing = True

"""Where chapters are asked for: what one key may create, find, cancel and remove."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, replace

from novelray.endpoint.chapters.record import Chapter, NewChapter
from novelray.endpoint.chapters.runner import Runner
from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.errors import ApiError
from novelray.endpoint.job import Job
from novelray.endpoint.keys import KeyRecord
from novelray.endpoint.schemas import ChapterRequest, ChatRequest, CompletionRequest
from novelray.endpoint.service import Service

RETRY_S = 30
"""A place in the queue of chapters is not to be had sooner than this."""


@dataclass(frozen=True)
class Desk:
    """One request's view of the chapters. `key`: whose they are; None where requests need none."""

    service: Service
    table: ChapterTable
    runner: Runner
    key: KeyRecord | None

    @property
    def key_id(self) -> str:
        """What the chapters are kept under."""
        return "" if self.key is None else self.key.id

    async def create(self, body: ChapterRequest, idempotency: str | None) -> Chapter:
        """Put a chapter into the queue. Raises ApiError 404, 422, 429 and 503."""
        said, name = body.model_dump_json(exclude_none=True), None if idempotency is None else _digest(idempotency)
        if name is not None:
            made = await asyncio.to_thread(self.table.asked_before, self.key_id, name)
            if made is not None:
                return _same(made, _digest(said))
        self.service.check_ready()
        job = await self._job(body)
        await self._check_room()
        request = replace(job.requests[0], slides=True, caller="" if self.key is None else self.key.name)
        day = self.service.reserved_day()
        new = NewChapter(self.key_id, job.model.id, request, job.provenance(), _digest(said), day, name)
        self.service.reserve(job.model.id, new.most_tokens)
        made = await asyncio.to_thread(self.table.create, new)
        if made.id == new.id:
            self.service.reserved_is_kept()
        self.runner.wake()
        return _same(made, new.body)

    async def find(self, chapter_id: str, param: str = "id") -> Chapter:
        """A chapter of this key. Raises ApiError 404."""
        found = await asyncio.to_thread(self.table.get, self.key_id, chapter_id) if _sane(chapter_id) else None
        if found is None:
            message = f"There is no chapter {chapter_id[:60]!r} of this key."
            raise ApiError(404, message, param=param, code="chapter_not_found")
        return found

    async def cancel(self, chapter_id: str) -> Chapter:
        """End a chapter of this key. Raises ApiError 404."""
        await self.find(chapter_id)
        await asyncio.to_thread(self.table.cancel, self.key_id, chapter_id)
        self.runner.stop(chapter_id)
        return await self.find(chapter_id)

    async def delete(self, chapter_id: str) -> None:
        """Remove a chapter of this key. Raises ApiError 404, and 409 when it is not over."""
        await self.find(chapter_id)
        if not await asyncio.to_thread(self.table.delete, self.key_id, chapter_id):
            raise ApiError(409, "The chapter is not over. Cancel it first.", param="id", code="chapter_open")

    async def _job(self, body: ChapterRequest) -> Job:
        limits = self.service.settings.chapters
        default = 1 if body.max_chars else min(limits.max_tokens_default, limits.max_tokens)  # characters say enough
        settings = self.service.settings.model_copy(update={"max_tokens_default": default})
        planner, fields = self.service.planner.seeing(settings), body.model_dump(exclude_none=True) | {"n": 1}
        if body.messages is not None:
            job = await planner.chat(ChatRequest.model_validate(fields))
        else:
            job = await planner.completion(CompletionRequest.model_validate(fields))
        if job.requests[0].sampling.max_tokens > limits.max_tokens:
            param = "max_tokens" if body.max_tokens else "max_chars" if body.max_chars else "min_chars"
            message = f"{param}: a chapter has at most {limits.max_tokens} tokens here."
            raise ApiError(422, message, param=param, code="invalid_value")
        return job

    async def _check_room(self) -> None:
        limits = self.service.settings.chapters
        own, all_of_them = await asyncio.to_thread(self.table.count_open, self.key_id)
        for there, most, whose in ((own, limits.max_open_per_key, " of this key"), (all_of_them, limits.max_open, "")):
            if there >= most:
                message = f"{there} chapters{whose} wait or are written already. Come back in {RETRY_S} s."
                raise ApiError(429, message, code="rate_limit_exceeded", headers={"Retry-After": str(RETRY_S)})


def _same(made: Chapter, body: str) -> Chapter:
    """The chapter that an idempotency key has made, if it was asked for in the same words."""
    if made.body != body:
        message = "This Idempotency-Key came with another body before."
        raise ApiError(422, message, param="Idempotency-Key", code="idempotency_key_reused")
    return made


def _sane(chapter_id: str) -> bool:
    """Whether it can be an id at all: a database may choke on what is none."""
    return len(chapter_id) <= 40 and chapter_id.isascii() and chapter_id.isprintable()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

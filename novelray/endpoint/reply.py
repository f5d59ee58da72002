"""The response that runs a job: one JSON body, or server-sent events. It ends the work when the client leaves."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from novelray.endpoint.answers import Answers, unless_gone
from novelray.endpoint.deadlines import Deadlines
from novelray.endpoint.errors import ApiError, as_api_error
from novelray.endpoint.events import STREAM_HEADERS, event, write
from novelray.endpoint.interventions import for_caller, told
from novelray.endpoint.job import Job
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import CLIENT_LEFT, Trace
from novelray.generate.protocol import Chunk, Engine, Usage

_LAST_WORDS_S = 5.0
"""A client that does not read for so long after its time is up is not told why."""


class Reply(Response):
    """Errors before the first byte are raised, to be answered with their status; later ones go into the stream."""

    def __init__(self, engine: Engine, settings: Settings, job: Job, trace: Trace) -> None:
        super().__init__()
        self._engine, self._settings, self._job, self._trace = engine, settings, job, trace
        self._usage: dict[int, Usage] = {}
        self._waits = Deadlines(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with Answers(self._engine, for_caller(self._job.requests, scope)) as answers:
            work = self._stream(answers, send) if self._job.body.stream else self._whole(answers, scope, receive, send)
            try:
                if not await unless_gone(work, receive):
                    self._trace.status = CLIENT_LEFT
                    self._trace.prompt_read(self._job.prompt_tokens)
            finally:
                self._trace.prompt_found(self._cached())

    async def _whole(self, answers: Answers, scope: Scope, receive: Receive, send: Send) -> None:
        chunks: list[list[Chunk]] = [[] for _ in self._job.requests]
        async with self._waits.in_all():
            while not answers.finished:
                item = await self._next(answers)
                if item is not None:
                    chunks[item[0]].append(item[1])
        choices = [self._job.shape.whole(i, of_choice) for i, of_choice in enumerate(chunks)]
        body = self._frame(self._job.shape.name, choices) | {"usage": self._usage_body()}
        about = self._job.provenance() | told(enumerate(chunks))
        await JSONResponse(body | {"novelray": about})(scope, receive, send)

    async def _stream(self, answers: Answers, send: Send) -> None:
        if not await answers.started(self._waits.for_chunk(self._settings.headers_after_s)):
            self._waits.check()
        headers = [(k.encode(), v.encode()) for k, v in STREAM_HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with self._waits.in_all():
                await self._events(answers, send)
                await write(send, "data: [DONE]\n\n", last=True)
        except Exception as error:
            await self._last_words(as_api_error(error), send)

    async def _last_words(self, error: ApiError, send: Send) -> None:
        """Say in the stream what went wrong, unless the client has stopped reading."""
        self._trace.code = error.code
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await write(send, event(error.body()), last=True)

    async def _events(self, answers: Answers, send: Send) -> None:
        shape, extra = self._job.shape, {"novelray": self._job.provenance()}
        for index in range(len(self._job.requests)):
            if (opening := shape.opening(index)) is not None:
                await write(send, event(self._frame(shape.piece_name, [opening]) | extra))
                extra = {}
        while not answers.finished:
            item = await self._next(answers, self._settings.keep_alive_s)
            if item is None:
                await write(send, ": keep-alive\n\n")
                continue
            index, chunk = item
            if done := told([(index, [chunk])]):
                extra = {"novelray": extra.get("novelray", {}) | done}
            if chunk.text or chunk.logprobs or chunk.prompt_logprobs or chunk.finish_reason or done:
                frame = self._frame(shape.piece_name, [shape.piece(index, chunk)]) | self._usage_of_piece(answers)
                await write(send, event(frame | extra))
                extra = {}
        if self._job.body.wants_usage_chunk:
            await write(send, event(self._frame(shape.piece_name, []) | {"usage": self._usage_body()}))

    async def _next(self, answers: Answers, wait_s: float | None = None) -> tuple[int, Chunk] | None:
        """The next chunk; None when `wait_s` pass. Raises what ends the answer."""
        item = await answers.next(self._waits.for_chunk(wait_s))
        if item is None:
            self._waits.check()
            return None
        index, chunk = item
        if chunk.finish_reason == "cancelled":
            raise ApiError(503, "The server stopped this generation. It can be tried again.", code="cancelled")
        self._waits.queued = False
        self._usage[index] = chunk.usage
        self._trace.prompt_read(self._job.prompt_tokens)
        self._trace.chunk(index, chunk)
        return item

    def _frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        job = self._job
        return {"id": job.id, "object": kind, "created": job.created, "model": job.model.id, "choices": choices}

    def _usage_of_piece(self, answers: Answers) -> dict[str, Any]:
        """With a chunk of its own to come, `usage` is null on the others; else it is on the very last one."""
        if self._job.body.wants_usage_chunk:
            return {"usage": None}
        return {"usage": self._usage_body()} if answers.finished else {}

    def _usage_body(self) -> dict[str, Any]:
        prompt, completion = self._job.prompt_tokens, sum(u.completion_tokens for u in self._usage.values())
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": self._cached()},
        }

    def _cached(self) -> int:
        """Prompt tokens that nobody had to read. Each prompt counts once, however many choices it has."""
        each = self._job.body.choices
        found = [self._usage[i].cached_tokens if i in self._usage else 0 for i in range(len(self._job.requests))]
        return sum(min(found[i : i + each]) for i in range(0, len(found), each))

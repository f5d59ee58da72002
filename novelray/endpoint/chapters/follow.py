"""A chapter's text as server-sent events, from any character on, as it grows. Each event's id is the next offset, so
that a reader who was cut off goes on where he was, on any replica.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from novelray.endpoint.answers import unless_gone
from novelray.endpoint.chapters.record import Chapter
from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.deadlines import Deadlines
from novelray.endpoint.errors import ApiError, as_api_error
from novelray.endpoint.events import STREAM_HEADERS, event, write
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import CLIENT_LEFT, Trace, trace_of

Show = Callable[[Chapter], dict[str, Any]]


class Follow(Response):
    """Ends with `[DONE]` when the chapter is over, with an error object when it failed or was removed."""

    def __init__(self, table: ChapterTable, settings: Settings, chapter: Chapter, offset: int, show: Show) -> None:
        """`show`: a chapter's JSON."""
        super().__init__()
        self._table, self._settings, self._chapter, self._offset, self._show = table, settings, chapter, offset, show

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = trace_of(scope)
        if not await unless_gone(self._stream(send, trace), receive):
            trace.status = CLIENT_LEFT

    async def _stream(self, send: Send, trace: Trace) -> None:
        headers = [(k.encode(), v.encode()) for k, v in STREAM_HEADERS.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with Deadlines(self._settings).in_all():
                async for text in self._events():
                    await write(send, text)
                await write(send, "data: [DONE]\n\n", last=True)
        except Exception as error:
            found = as_api_error(error)
            trace.code = found.code
            await write(send, event(found.body()), last=True)

    async def _events(self) -> AsyncIterator[str]:
        spoke = time.monotonic()
        async for chapter, text in self._growth():
            if text:
                end = self._offset + len(text)
                yield event({"offset": self._offset, "text": text, "next_offset": end}, str(end))
                self._offset, spoke = end, time.monotonic()
            elif time.monotonic() - spoke >= self._settings.keep_alive_s:
                yield ": keep-alive\n\n"
                spoke = time.monotonic()
            if chapter.over and self._offset >= chapter.characters:
                if chapter.status == "failed":
                    raise failure(chapter.error or "The chapter failed.")
                yield event(self._show(chapter))
                return

    async def _growth(self) -> AsyncIterator[tuple[Chapter, str]]:
        """The chapter as it stands now and what of its text is new, as often as it is looked at."""
        pause_s = min(self._settings.chapters.poll_s, self._settings.keep_alive_s)
        while True:
            text = ""
            if self._chapter.characters > self._offset:
                text = await asyncio.to_thread(self._table.text, self._chapter.id, self._offset)
            yield self._chapter, text
            if not (self._chapter.over or self._chapter.characters > self._offset):
                await asyncio.sleep(pause_s)
            found = await asyncio.to_thread(self._table.get, self._chapter.key_id, self._chapter.id)
            if found is None:
                raise ApiError(404, "The chapter was removed.", code="chapter_not_found")
            self._chapter = found


def failure(message: str) -> ApiError:
    """Why a chapter failed."""
    return ApiError(500, message, code="chapter_failed")

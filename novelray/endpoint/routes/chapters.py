"""`/v1/chapters`: long texts as jobs. Created under an id, read from any character, followed, listed, cancelled."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import JSONResponse, Response

from novelray.endpoint.chapters.desk import Desk
from novelray.endpoint.chapters.follow import Follow, failure
from novelray.endpoint.chapters.record import Chapter
from novelray.endpoint.errors import ApiError
from novelray.endpoint.schemas import ChapterRequest
from novelray.endpoint.service import service_of

router = APIRouter(prefix="/v1/chapters")

MOST = 2**53
"""Offsets are whole numbers up to this, as in JSON."""


async def desk_of(request: Request) -> Desk:
    """FastAPI dependency. Raises ApiError 404 where the endpoint has no database."""
    table, runner = request.app.state.chapters
    if table is None:
        raise ApiError(404, "This endpoint writes no chapters: it has no database.", code="chapters_off")
    return Desk(await service_of(request), table, runner, request.scope.get("novelray.key"))


Here = Annotated[Desk, Depends(desk_of)]
Offset = Annotated[int, Query(ge=0, le=MOST)]


@router.post("", status_code=202)
async def create(
    body: ChapterRequest, desk: Here, idempotency_key: Annotated[str | None, Header(max_length=256)] = None
) -> dict[str, Any]:
    """Put a chapter into the queue. A key that was used before gives the chapter that it made then."""
    return card(await desk.create(body, idempotency_key))


@router.get("")
async def chapters(
    desk: Here, after: str | None = None, limit: Annotated[int, Query(ge=1, le=100)] = 20
) -> dict[str, Any]:
    """This key's chapters, the newest first."""
    older = None if after is None else await desk.find(after, "after")
    found = await asyncio.to_thread(desk.table.of_key, desk.key_id, limit + 1, older)
    return {"object": "list", "data": [card(c) for c in found[:limit]], "has_more": len(found) > limit}


@router.get("/{chapter_id}")
async def chapter(chapter_id: str, desk: Here) -> dict[str, Any]:
    """Where a chapter stands."""
    return card(await desk.find(chapter_id))


@router.get("/{chapter_id}/text")
async def text(
    chapter_id: str,
    desk: Here,
    offset: Offset = 0,
    follow: bool = False,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The text from a character on: all that is there, or with `follow` all that comes."""
    found = await desk.find(chapter_id)
    if follow:
        start = int(last_event_id) if last_event_id and last_event_id.isdecimal() else offset
        return Follow(desk.table, desk.service.settings, found, min(start, MOST), card)
    read = await asyncio.to_thread(desk.table.text, found.id, offset) if offset < found.characters else ""
    at = {"offset": offset, "text": read, "next_offset": offset + len(read)}
    return JSONResponse({"id": found.id, "status": found.status, "characters": found.characters, **at})


@router.post("/{chapter_id}/cancel")
async def cancel(chapter_id: str, desk: Here) -> dict[str, Any]:
    """End a chapter; what was written stays. One that is over stays as it is."""
    return card(await desk.cancel(chapter_id))


@router.delete("/{chapter_id}")
async def delete(chapter_id: str, desk: Here) -> dict[str, Any]:
    """Remove a chapter that is over."""
    await desk.delete(chapter_id)
    return {"id": chapter_id, "object": "chapter", "deleted": True}


def card(chapter: Chapter) -> dict[str, Any]:
    """A chapter as JSON; one that failed has an `error` object."""
    usage = {
        "prompt_tokens": chapter.prompt_tokens, "completion_tokens": chapter.tokens,
        "total_tokens": chapter.prompt_tokens + chapter.tokens,
    }  # fmt: skip
    return {
        "id": chapter.id, "object": "chapter", "status": chapter.status, "model": chapter.model,
        "created": int(chapter.created), "finished": None if chapter.finished is None else int(chapter.finished),
        "characters": chapter.characters, "finish_reason": chapter.finish_reason, "stop_reason": chapter.stop_reason,
        "usage": usage, "novelray": chapter.provenance | ({"guard": chapter.guard} if chapter.guard else {}),
    } | ({} if chapter.error is None else failure(chapter.error).body())  # fmt: skip

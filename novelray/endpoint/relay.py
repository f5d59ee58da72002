"""An ASGI application called from afar: the request as plain values, the answer as lists of ASGI messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.types import ASGIApp, Message, Scope

CARRIED = (
    "type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "root_path", "headers",
    "client", "server",
)  # fmt: skip


def plain(scope: Scope) -> dict[str, Any]:
    """What of a scope can travel between processes."""
    return {key: scope[key] for key in CARRIED if key in scope}


async def answer(app: ASGIApp, scope: Scope, body: bytes) -> AsyncIterator[list[Message]]:
    """The messages that `app` sends, those that are there at once together. Closing the iterator is a disconnect."""
    queue: asyncio.Queue[Message | None] = asyncio.Queue()
    request: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]
    gone = asyncio.Event()

    async def receive() -> Message:
        if request:
            return request.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        try:
            await app(scope, receive, queue.put)
        finally:
            queue.put_nowait(None)

    running = asyncio.create_task(run())
    try:
        while (message := await queue.get()) is not None:
            messages = [message]
            while not queue.empty() and (following := queue.get_nowait()) is not None:
                messages.append(following)
            yield messages
            if running.done() and queue.empty():
                break
        await running  # raises what the application raised
    finally:
        gone.set()
        running.cancel()

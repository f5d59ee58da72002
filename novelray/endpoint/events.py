"""Server-sent events as they go over the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.types import Send

STREAM_HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    "x-accel-buffering": "no",  # proxies of the nginx kind would collect the whole text first
}

_LINE_BREAKS = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}
"""Some clients split lines here as well, which would tear an event."""


def event(body: Mapping[str, Any], event_id: str | None = None) -> str:
    """One event with JSON data. `event_id`: what a client sends as `Last-Event-ID` when it comes back."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    named = "" if event_id is None else f"id: {event_id}\n"
    return f"{named}data: {text.translate(_LINE_BREAKS)}\n\n"


async def write(send: Send, text: str, last: bool = False) -> None:
    """A piece of a stream's body."""
    await send({"type": "http.response.body", "body": text.encode("utf-8", "replace"), "more_body": not last})

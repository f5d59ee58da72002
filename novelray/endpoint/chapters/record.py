"""A chapter as everybody but the database sees it. Plain values."""

from __future__ import annotations

import dataclasses
import json
import uuid
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from pydantic import TypeAdapter

from novelray.generate.protocol import Intervention, Request, Sampling

Status = Literal["queued", "running", "done", "cancelled", "failed"]
OPEN: tuple[Status, ...] = ("queued", "running")
"""What is not over yet."""

_SAMPLING = TypeAdapter(Sampling)


@dataclass(frozen=True)
class NewChapter:
    """What is asked for. `idempotency`, `body`: SHA-256 of the client's key and of what it sent.

    `reserved_day`: where its tokens are set aside (see meter.py), UTC.
    """

    key_id: str
    model: str
    request: Request
    provenance: dict[str, Any]
    body: str
    reserved_day: date
    idempotency: str | None = None
    id: str = field(default_factory=lambda: f"chapter-{uuid.uuid4().hex}")

    @property
    def most_tokens(self) -> int:
        """What it can come to, the prompt included."""
        return len(self.request.prompt_ids) + self.request.sampling.max_tokens


@dataclass(frozen=True)
class Chapter:
    """Where a chapter stands. Times: Unix seconds. `characters`: Unicode code points of the text so far."""

    id: str
    key_id: str
    body: str
    model: str
    provenance: dict[str, Any]
    prompt_tokens: int
    status: Status
    created: float
    finished: float | None
    characters: int
    tokens: int
    finish_reason: str | None
    stop_reason: int | str | None
    error: str | None
    guard: list[dict[str, Any]]
    """What the guard did to it, by kind (see interventions.py)."""

    @property
    def over(self) -> bool:
        return self.status not in OPEN


@dataclass(frozen=True)
class Work:
    """A chapter that somebody may write now, with all that is there of it.

    `attempts`: the current one included. `lease`: begins with who holds it.
    """

    id: str
    model: str
    request: Request
    attempts: int
    lease: str


@dataclass(frozen=True)
class Growth:
    """What a chapter grows by, and its end if this is it."""

    text: str = ""
    token_ids: tuple[int, ...] = ()
    finish_reason: str | None = None
    stop_reason: int | str | None = None
    interventions: tuple[Intervention, ...] = ()

    @property
    def content(self) -> str:
        """For the database."""
        return json.dumps([self.text, self.token_ids])


def to_json(request: Request) -> str:
    """What of a request is kept."""
    sampling = json.loads(_SAMPLING.dump_json(request.sampling))
    kept = {"prompt_ids": request.prompt_ids, "style": dict(request.style), "caller": request.caller}
    return json.dumps({**kept, "sampling": sampling})


def from_json(chapter_id: str, text: str, resumed: tuple[int, ...]) -> Request:
    """The request, which goes on after the tokens that are there."""
    found = json.loads(text)
    found |= {
        "prompt_ids": tuple(found["prompt_ids"]),
        "sampling": _SAMPLING.validate_python(_tuples(found["sampling"])),
    }
    return Request(chapter_id, **found, resumed=resumed, slides=True)


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    known = {f.name for f in dataclasses.fields(Sampling)}
    return {name: tuple(v) if isinstance(v, list) else v for name, v in values.items() if name in known}

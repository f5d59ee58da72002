"""The guard's interventions on the wire, and whom a request is for in its audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from starlette.types import Scope

from novelray.generate.protocol import Chunk, Intervention, Request


def for_caller(requests: Sequence[Request], scope: Scope) -> list[Request]:
    """The requests with the name of the API key that asks, where there is one."""
    key = scope.get("novelray.key")
    return [replace(r, caller=key.name) for r in requests] if key is not None else list(requests)


def told(choices: Iterable[tuple[int, Sequence[Chunk]]]) -> dict[str, Any]:
    """`guard` of the object `novelray`: what was done to each choice, and at which characters. Empty for nothing."""
    done = [{"index": i, **asdict(one)} for i, chunks in choices for c in chunks for one in c.interventions]
    return {"guard": done} if done else {}


def counted(before: Sequence[Mapping[str, Any]], done: Iterable[Intervention]) -> list[dict[str, Any]]:
    """How often the guard did what to a text written in parts. `before`: what this gave for the parts so far."""
    found = Counter({(one["rule"], one["action"]): one["count"] for one in before})
    found.update((one.rule, one.action) for one in done)
    return [{"rule": rule, "action": action, "count": count} for (rule, action), count in sorted(found.items())]

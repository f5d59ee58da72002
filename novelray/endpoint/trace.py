"""What is known of one request while it is served: for the access log, the metrics and the account of its key."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

from novelray.endpoint.metrics import (
    CACHED_TOKENS,
    FIRST_TOKEN,
    INTER_TOKEN,
    INTERVENTIONS,
    NEW_TOKENS,
    PROMPT_TOKENS,
    Metrics,
    NoMetrics,
)
from novelray.generate.protocol import Chunk

CLIENT_LEFT = 499
"""Status, in logs and metrics only, of a request whose client did not wait for the end."""


@dataclass
class Trace:
    """Filled in by whoever knows: the gate (key), the routes (model), the reply (tokens, errors in a stream)."""

    request_id: str = ""
    metrics: Metrics = field(default_factory=NoMetrics)
    key: str | None = None
    model: str = ""
    status: int | None = None
    code: str | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0
    first_token_s: float | None = None
    began: float = field(default_factory=time.monotonic)
    _last: dict[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Since the request came."""
        return time.monotonic() - self.began

    def prompt_read(self, tokens: int) -> None:
        """The prompt was, or may have been, read by the model. Counts once."""
        if not self.prompt_tokens:
            self.prompt_tokens = tokens
            self.metrics.add(PROMPT_TOKENS, tokens, model=self.model)

    def prompt_found(self, tokens: int) -> None:
        """So many of the prompt's tokens had been read for another request."""
        self.metrics.add(CACHED_TOKENS, tokens, model=self.model)

    def chunk(self, index: int, chunk: Chunk) -> None:
        """A piece of answer `index` was made."""
        count_interventions(self.metrics, self.model, chunk)
        so_far, last = self._last.get(index, (0, 0.0))
        tokens, now = chunk.usage.completion_tokens - so_far, self.seconds
        if tokens <= 0:
            return
        if self.first_token_s is None:
            self.first_token_s = now
            self.metrics.observe(FIRST_TOKEN, now, model=self.model)
        if so_far:
            self.metrics.observe(INTER_TOKEN, (now - last) / tokens, model=self.model)
        self._last[index] = (chunk.usage.completion_tokens, now)
        self.new_tokens += tokens
        self.metrics.add(NEW_TOKENS, tokens, model=self.model)


def count_interventions(metrics: Metrics, model: str, chunk: Chunk) -> None:
    """What the guard did up to the end of this piece."""
    for done in chunk.interventions:
        metrics.add(INTERVENTIONS, model=model, rule=done.rule, action=done.action)


def trace_of(scope: MutableMapping[str, Any]) -> Trace:
    """The trace of the request that this ASGI scope belongs to."""
    found: Trace = scope.setdefault("novelray.trace", Trace())
    return found

"""The endpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


class ChaptersSection(Section):
    """Long texts that are written in the background (`/v1/chapters`)."""

    counts = False

    max_running: Annotated[int, Field(ge=0)] = 2
    """Chapters that one replica writes at a time; one place of its batch is always kept for requests. 0: none."""

    max_tokens_default: PositiveInt = 8_000
    """New tokens of a chapter that says neither tokens nor characters."""

    max_tokens: PositiveInt = 100_000
    """Most new tokens of one chapter."""

    max_open: PositiveInt = 1_000
    """Chapters of all keys that are written or wait; more are answered 429."""

    max_open_per_key: PositiveInt = 20
    """Chapters of one key that are written or wait; more are answered 429."""

    keep_days: PositiveInt = 30
    """Days after which a chapter that is over is removed, with its text."""


class ServeSection(Section):
    """An OpenAI-compatible HTTP endpoint on Ray Serve."""

    counts = False

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all."""

    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port to listen on."""

    engine: Literal["embedded"] = "embedded"
    """What computes: `embedded` is our batcher over a plain transformers forward, on CPU or GPU."""

    replicas: PositiveInt = 1
    """Copies of the model, each with its own batch and queue."""

    max_batch: PositiveInt = 8
    """Requests decoded together by one replica."""

    max_queue: Annotated[int, Field(ge=0)] = 32
    """Requests that may wait at a replica; more are answered 429."""

    prefix_cache_mb: Annotated[int, Field(ge=0)] = 512
    """Memory of each replica's device, in MiB, for prompts that may come again: a retry, a second choice, the same
    story a page later. 0: none. One token of a 7B model in bf16 takes 0.5 MiB (Llama 2) or 0.055 (Qwen2)."""

    max_tokens_default: PositiveInt = 256
    """New tokens when a request does not say how many."""

    max_body_bytes: PositiveInt = 4_000_000
    """Largest request body."""

    queue_timeout_s: PositiveInt | None = 600
    """Seconds until the first token after which a request is given up with 503; null: it may wait."""

    request_timeout_s: PositiveInt | None = 3600
    """Seconds after which a request is ended, whatever it has written; null: it may take as long as it does."""

    chapters: ChaptersSection = ChaptersSection()

    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may ask from a browser, such as `https://write.example`; `*`: any. Default: none."""

    access_log: bool = True
    """Write a line of JSON for each request to the replica's log."""

    require_key: bool = True
    """Refuse requests without a valid API key."""

    keys: str | None = None
    """SQLAlchemy URL of the key database. Default: an SQLite file `keys.db` in the user's NovelRay folder."""

    drain_s: PositiveInt = 600
    """Seconds that running generations get to finish when a replica is stopped."""

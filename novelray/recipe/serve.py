"""The endpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from novelray.recipe.base import PositiveInt, Section
from novelray.recipe.guard import GuardSection


class CanarySection(Section):
    """When a canary (`novelray deploy NAME@ALIAS --canary 0.1`) is taken back by itself: it is measured against the
    version that the other clients get at the same time."""

    counts = False

    automatic: bool = True
    """Take it back without being asked; else only `novelray deploy --rollback` does."""

    requests: PositiveInt = 50
    """Requests to the canary (and streams of either version) from which a judgement is made."""

    error_rise: Annotated[float, Field(ge=0, le=1)] = 0.02
    """By how much its share of failed requests (5xx, or an error in the stream) may be above the other's."""

    first_token_rise: Annotated[float, Field(ge=0)] = 0.5
    """By how much its time to the first token (95th percentile) may be longer, as a share (0.5: half as long again)."""

    first_token_slack_s: Annotated[float, Field(ge=0)] = 0.2
    """Seconds that are no difference, whatever their share."""


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

    engine: Literal["embedded", "vllm"] = "embedded"
    """What computes: `embedded` is our batcher over a plain transformers forward, on CPU or GPU; `vllm` is vLLM, on
    GPUs only, and needs the extra `novelray[vllm]`."""

    context: PositiveInt | None = None
    """Most tokens of a prompt and its answer together. Default: all that the model has positions for. A long context
    takes memory: vLLM does not start where one text of this length does not fit."""

    tensor_parallel: PositiveInt = 1
    """GPUs that hold one copy of the model together, on one node; more than 1 with `engine: vllm` only."""

    gpu_memory_share: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Part of each GPU's memory that vLLM takes, weights and cache together. Default: vLLM's."""

    max_adapter_rank: Literal[8, 16, 32, 64, 128, 256, 320, 512] = 64
    """Largest rank of a style in vLLM: of its adapter, or of several together. Each costs the memory of the largest."""

    replicas: PositiveInt = 1
    """Copies of the model, each with its own batch and queue."""

    max_replicas: PositiveInt | None = None
    """Most copies under load; `replicas` is then the fewest. A copy is added when each has more than `max_batch`
    requests for half a minute, and leaves, once its texts are finished, after ten minutes with less. Default: always
    `replicas`."""

    max_batch: PositiveInt = 8
    """Requests decoded together by one replica."""

    max_queue: Annotated[int, Field(ge=0)] = 32
    """Requests that may wait at a replica; more are answered 429."""

    prefix_cache_mb: Annotated[int, Field(ge=0)] = 512
    """Memory of each replica's device, in MiB, for prompts that may come again: a retry, a second choice, the same
    story a page later. 0: none; vLLM takes what is free of its share, unless this is 0.
    One token of a 7B model in bf16 takes 0.5 MiB (Llama 2) or 0.055 (Qwen2)."""

    adapters: tuple[str, ...] = ()
    """Adapters (LoRA) in the registry that requests may name as a model or weigh as a style: `name` for every version
    of it, `name@alias`, or `name@digest`. Those trained on the base that is served can be used; they are loaded when
    first asked for. An adapter that is itself the served model is then kept beside its base, not merged into it."""

    max_adapters: PositiveInt = 8
    """Adapters that a replica holds at once; the longest unused makes room, never one that a text needs. One of rank 16
    on all layers of a 7B model takes 80 MB in bf16; vLLM sets memory aside for so many."""

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

    guard: GuardSection = GuardSection()
    """What may not be shown: copies of the training books, blocked terms, what a classifier says no to."""

    canary: CanarySection = CanarySection()
    """When a canary is taken back."""

    @model_validator(mode="after")
    def _fewest_and_most(self) -> ServeSection:
        if self.max_replicas is not None and self.max_replicas < self.replicas:
            raise ValueError(f"max_replicas is {self.max_replicas}, below replicas, {self.replicas}")
        return self

"""The endpoint."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


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

    max_adapters: Annotated[int, Field(ge=0)] = 4
    """Styles that vLLM computes in one step, each with its memory set aside; more take turns. 0: no adapters."""

    max_adapter_rank: Literal[8, 16, 32, 64, 128, 256, 320, 512] = 64
    """Largest rank of a style in vLLM: of its adapter, or of several together. Each costs the memory of the largest."""

    replicas: PositiveInt = 1
    """Copies of the model, each with its own batch and queue."""

    max_batch: PositiveInt = 8
    """Requests decoded together by one replica."""

    max_queue: Annotated[int, Field(ge=0)] = 32
    """Requests that may wait at a replica; more are answered 429."""

    prefix_cache_mb: Annotated[int, Field(ge=0)] = 512
    """Memory of each replica's device, in MiB, for prompts that may come again: a retry, a second choice, the same
    story a page later. 0: none; vLLM takes what is free of its share, unless this is 0.
    One token of a 7B model in bf16 takes 0.5 MiB (Llama 2) or 0.055 (Qwen2)."""

    max_tokens_default: PositiveInt = 256
    """New tokens when a request does not say how many."""

    max_body_bytes: PositiveInt = 4_000_000
    """Largest request body."""

    queue_timeout_s: PositiveInt | None = 600
    """Seconds until the first token after which a request is given up with 503; null: it may wait."""

    request_timeout_s: PositiveInt | None = 3600
    """Seconds after which a request is ended, whatever it has written; null: it may take as long as it does."""

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

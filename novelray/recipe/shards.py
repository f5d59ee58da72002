"""How chapters become rows of tokens."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, PositiveInt, Section


class ShardsSection(Section):
    """Chapters are tokenised and packed into rows of `context` tokens; documents in a row never see each other."""

    context: int = Field(1024, ge=16)
    """Tokens in a row, which is also the longest text the model is trained to see."""

    tokenizer: Literal["base", "train"] = "base"
    """`base`: the base model's own. `train`: a byte-level BPE trained on the corpus (what `scratch:` models get)."""

    vocab_size: int = Field(8192, ge=300)
    """Vocabulary of a trained tokenizer, in tokens."""

    group_chars: PositiveInt = 4_000_000
    """Characters of consecutive chapters packed into one shard file; packing never crosses a shard."""

    workers: PositiveInt | None = Field(None, json_schema_extra=NOT_IDENTITY)
    """How many shards are tokenised at once. Default: as many as the cluster has CPUs."""

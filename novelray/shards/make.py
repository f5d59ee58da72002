"""One shard from some chapters: the work of one task, with no Ray in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from novelray.shards.encode import Encoder
from novelray.shards.format import shard_bytes
from novelray.shards.pack import pack


@dataclass(frozen=True)
class ShardCounts:
    """What is in a shard, or in several added up."""

    chapters: int = 0
    rows: int = 0
    tokens: int = 0
    """Without padding; end-of-text tokens count."""
    trained: int = 0
    """Tokens that are trained targets."""
    chars: int = 0

    def __add__(self, other: ShardCounts) -> ShardCounts:
        return ShardCounts(*(a + b for a, b in zip(asdict(self).values(), asdict(other).values(), strict=True)))


def make_shard(ids: Sequence[str], texts: Sequence[str], encoder: Encoder, context: int) -> tuple[bytes, ShardCounts]:
    """The content of a shard file with these chapters, and its counts."""
    documents = zip(ids, encoder.encode(texts), strict=True)
    packed = pack(documents, context, encoder.pad_id, encoder.eos_id)
    counts = ShardCounts(
        chapters=len(ids), rows=packed.rows, tokens=packed.tokens, trained=int(packed.trained.sum()),
        chars=sum(map(len, texts)),
    )  # fmt: skip
    return shard_bytes(packed), counts

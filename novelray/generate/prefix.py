"""What was read once is not read again: the keys and values of prompts, kept piece by piece.

A retry, a second choice, an A/B pair and the next request of a growing story share their beginning. A piece is found by
a hash over everything that its numbers depend on: the tokens in it, all before it, and the adapters with their weights,
each load of an adapter counting anew. So a changed model or adapter finds nothing, and nothing has to be cleared.

Pieces are cut at the same places for every prompt and were computed as this prompt would have computed them: a text
does not depend, bit by bit, on whether its beginning was found here. What a model wrote itself is not kept for that
reason: one token at a time adds up in another order.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Piece:
    """Keys and values of every layer, in the cache's own order; `logits` [1, vocabulary] where a prompt ended."""

    states: tuple[torch.Tensor, ...]
    logits: torch.Tensor | None = None

    @property
    def nbytes(self) -> int:
        return sum(t.nbytes for t in self.states) + (0 if self.logits is None else self.logits.nbytes)


class PrefixStore:
    """The pieces used last, up to `max_bytes` of memory on the model's device. 0 keeps nothing."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes, self.nbytes = max_bytes, 0
        self._pieces: OrderedDict[bytes, Piece] = OrderedDict()

    def get(self, key: bytes) -> Piece | None:
        """The piece, which counts as used now."""
        piece = self._pieces.get(key)
        if piece is not None:
            self._pieces.move_to_end(key)
        return piece

    def put(self, key: bytes, piece: Piece) -> None:
        """Keep a piece, in place of the one that was there; what was not used for longest makes room."""
        if piece.nbytes > self.max_bytes:
            return
        self._drop(key)
        self._pieces[key] = piece
        self.nbytes += piece.nbytes
        while self.nbytes > self.max_bytes:
            self._drop(next(iter(self._pieces)))

    def _drop(self, key: bytes) -> None:
        piece = self._pieces.pop(key, None)
        if piece is not None:
            self.nbytes -= piece.nbytes


def key_after(key: bytes, style: bytes, tokens: Sequence[int]) -> bytes:
    """The key of a piece that follows the piece `key` (b"": a prompt begins), read in a style (see `Adapters.key`)."""
    digest = hashlib.blake2b(key, digest_size=16, key=style)
    digest.update(array("I", tokens).tobytes())
    return digest.digest()

"""Texts and streams for the tests of the guard."""

from __future__ import annotations

import asyncio

from novelray.generate.guard.engine import guarded
from novelray.generate.guard.index import CopyIndex
from novelray.generate.protocol import Chunk, Request, Sampling, TokenLogprob, Usage
from novelray.shards.grams import grams_bytes, read_grams


def index_of(*texts: str) -> CopyIndex:
    """The index of some chapters, by way of the file that they are kept in."""
    return CopyIndex([read_grams(grams_bytes(texts))])


class PiecesEngine:
    """Says the given pieces, one a chunk and a token, with the piece as its log-probability's text."""

    def __init__(self, pieces, reason="stop", heads=None, probs=None):
        self.pieces, self.reason, self._heads, self.probs = pieces, reason, heads or {}, probs
        self.said, self.closed = 0, False

    async def generate(self, request):
        try:
            for i, piece in enumerate(self.pieces):
                if i < len(request.resumed):
                    continue
                self.said += 1
                last = i == len(self.pieces) - 1
                yield Chunk(
                    piece, (i,), Usage(1, i + 1), (TokenLogprob(i, piece, -0.1),), self.reason if last else None
                )
                await asyncio.sleep(0)
        finally:
            self.closed = True

    def heads(self):
        return self._heads

    def encode(self, text):
        return tuple(map(ord, text))

    def decode(self, ids):
        return "".join(self.pieces[i] for i in ids)

    async def classify(self, ids):
        return self.probs("".join(map(chr, ids)))


def chunks_of(engine, guard, request=None):
    """All chunks of one guarded answer."""
    asked = request or Request("r1", (1,), Sampling(logprobs=0), caller="ada")

    async def collect():
        return [chunk async for chunk in guarded(engine, guard).generate(asked)]

    return asyncio.run(collect())


def text_of(chunks) -> str:
    return "".join(c.text for c in chunks)


def cut(text: str, sizes) -> list[str]:
    """The text in pieces of these sizes, over and over."""
    pieces, at, turn = [], 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces.append(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces

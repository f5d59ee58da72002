"""Exact duplicates: chapters whose text is the same once whitespace is taken out."""

from __future__ import annotations

import xxhash

from novelray.corpus.native import compiled

_native = compiled("sketch")


def text_digest(text: str) -> str:
    """xxh3-128 (32 hex digits) of the text without whitespace; empty for a text that has nothing else."""
    bare = _bare(text) if _native is None else _native.bare(text)
    return xxhash.xxh3_128_hexdigest(bare) if bare else ""


def _bare(text: str) -> bytes:
    return "".join(text.split()).encode("utf-8", "surrogatepass")

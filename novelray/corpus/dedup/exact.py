"""Exact duplicates: chapters whose text is the same once whitespace is taken out."""

from __future__ import annotations

import xxhash


def text_digest(text: str) -> str:
    """xxh3-128 (32 hex digits) of the text without whitespace; empty for a text that has nothing else."""
    bare = "".join(text.split())
    return xxhash.xxh3_128_hexdigest(bare.encode("utf-8", "surrogatepass")) if bare else ""

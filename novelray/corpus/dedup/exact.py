"""Exact duplicates: chapters whose text is the same once whitespace is taken out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import xxhash

from novelray.errors import CorpusError

_SPACE = re.compile(r"\s+")


def text_digest(text: str) -> str:
    """xxh3-128 (32 hex digits) of the text without whitespace; empty for a text that has nothing else."""
    bare = _SPACE.sub("", text)
    return xxhash.xxh3_128_hexdigest(bare.encode("utf-8", "surrogatepass")) if bare else ""


@dataclass(frozen=True, order=True)
class ChapterKey:
    """What the driver knows of a chapter: never its text. Ordered as the corpus is, by book and index."""

    book: str
    index: int
    chapter_id: str = field(compare=False)
    digest: str = field(compare=False)
    chars: int = field(compare=False)


@dataclass(frozen=True)
class Duplicates:
    """Chapters kept, in order, and for each removed chapter's id the id of the copy that was kept."""

    kept: list[ChapterKey]
    removed: dict[str, str]


def drop_duplicates(keys: Iterable[ChapterKey], max_share: float) -> Duplicates:
    """Keep the first chapter, by (book, index), of each digest. An empty digest matches nothing.

    Raises CorpusError when more than `max_share` of the chapters would go.
    """
    ordered = sorted(keys)
    first: dict[str, str] = {}
    kept, removed = [], {}
    for key in ordered:
        owner = first.setdefault(key.digest, key.chapter_id) if key.digest else key.chapter_id
        if owner == key.chapter_id:
            kept.append(key)
        else:
            removed[key.chapter_id] = owner
    if ordered and len(removed) > max_share * len(ordered):
        raise CorpusError(
            f"Deduplication would remove {len(removed)} of {len(ordered)} chapters "
            f"({len(removed) / len(ordered):.0%}), more than corpus.dedup.max_share ({max_share:.0%}).",
            "Is one book listed under several names? Remove the copies, or raise corpus.dedup.max_share.",
        )
    return Duplicates(kept, removed)

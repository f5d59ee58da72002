"""Which chapters go into which shard file: decided from names and sizes alone, before any text is read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from novelray.errors import CorpusError

SHOWN = 20  # names listed in an error


@dataclass(frozen=True)
class Listed:
    """A chapter without its text: the corpus file and row that it stands in, and what decides where it goes."""

    file: str
    row: int
    chapter_id: str
    book: str
    split: str
    chars: int


@dataclass(frozen=True)
class ShardPlan:
    """A shard file (`train/rows-00000.arrow`) and the corpus rows in it, in order, as (file, rows) pairs."""

    path: str
    sources: tuple[tuple[str, tuple[int, ...]], ...]


def matching(chapters: Sequence[Listed], globs: Sequence[str]) -> tuple[list[Listed], list[str]]:
    """The chapters whose book matches one of the globs, and the globs that match no book.

    Raises CorpusError, naming the books there are, when nothing matches.
    """
    books = list(dict.fromkeys(c.book for c in chapters))
    chosen = {book for book in books if any(fnmatchcase(book, glob) for glob in globs)}
    if not chosen:
        names = ", ".join(books[:SHOWN]) + (f" and {len(books) - SHOWN} more" if len(books) > SHOWN else "")
        raise CorpusError(
            f"No chapter is in a book named {' or '.join(repr(g) for g in globs)}.",
            f"The corpus has these books: {names}." if books else "The corpus has no chapters.",
        )
    idle = [glob for glob in globs if not any(fnmatchcase(book, glob) for book in books)]
    return [c for c in chapters if c.book in chosen], idle


def plan_shards(chapters: Sequence[Listed], split: str, limit: int) -> list[ShardPlan]:
    """The shard files of one split, each of at most `limit` characters (or one longer chapter)."""
    kept = [c for c in chapters if c.split == split]
    parts = groups([c.chars for c in kept], limit)
    return [
        ShardPlan(f"{split}/rows-{number:05d}.arrow", _sources(kept[i] for i in part))
        for number, part in enumerate(parts)
    ]


def groups(chars: Sequence[int], limit: int) -> list[range]:
    """Consecutive chapters with at most `limit` characters together; a longer chapter is a group of its own.

    Depends on the sizes alone, so that the same shards come out of any cluster.
    """
    found: list[range] = []
    start, size = 0, 0
    for number, count in enumerate(chars):
        if number > start and size + count > limit:
            found.append(range(start, number))
            start, size = number, 0
        size += count
    if start < len(chars):
        found.append(range(start, len(chars)))
    return found


def _sources(chapters: Iterable[Listed]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    rows: dict[str, list[int]] = {}
    for chapter in chapters:
        rows.setdefault(chapter.file, []).append(chapter.row)
    return tuple((file, tuple(numbers)) for file, numbers in rows.items())

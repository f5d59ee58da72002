"""What annotators are shown: chapters, or pieces of about a scene; and a fair choice of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TypeVar

import xxhash

T = TypeVar("T")
LEAST = 200  # a scene shorter than this is shown with the next one


@dataclass(frozen=True)
class Meta:
    """A chapter that could be shown."""

    chapter_id: str
    book: str
    genre: str


def pieces(text: str, scenes: Sequence[int], limit: int) -> list[tuple[int, int]]:
    """(start, end) of consecutive pieces of at most `limit` characters, without outer whitespace.

    They begin where scenes do; a scene that is too long is cut at line ends, and at any place only at need.
    """
    starts = [0]
    for start in [*scenes[1:], len(text)]:
        while start - starts[-1] > limit:
            starts.append(_cut(text, starts[-1], start, limit))
        if start - starts[-1] >= LEAST and start < len(text):
            starts.append(start)
    return [
        span for span in (_trimmed(text, *ends) for ends in zip(starts, [*starts[1:], len(text)], strict=True)) if span
    ]


def _cut(text: str, start: int, end: int, limit: int) -> int:
    """Where a piece ends so that the rest falls into parts of about the same size."""
    parts = -(-(end - start) // limit)
    target = start + (end - start) // parts
    line = text.rfind("\n", start + 1, target)
    return line + 1 if line > start + (target - start) // 2 else target


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    piece = text[start:end]
    left = len(piece) - len(piece.lstrip())
    right = len(piece.rstrip())
    return (start + left, start + right) if right > left else None


def spread(chapters: Sequence[Meta], seed: str) -> list[str]:
    """Chapter ids in an order in which every beginning is fair: genres take turns, in them books, in them chapters
    drawn by a hash of the seed."""
    genres: dict[str, dict[str, list[str]]] = {}
    for chapter in chapters:
        genres.setdefault(chapter.genre, {}).setdefault(chapter.book, []).append(chapter.chapter_id)
    return _in_turn(
        [_in_turn([_drawn(ids, seed) for ids in _shuffled(books, seed)]) for books in _shuffled(genres, seed)]
    )


def rank(seed: str, name: str) -> int:
    """A number that the seed gives a name; sorting by it is a seeded shuffle."""
    return xxhash.xxh3_64_intdigest(f"{seed} {name}".encode())


def _drawn(ids: Sequence[str], seed: str) -> list[str]:
    return sorted(ids, key=lambda one: (rank(seed, one), one))


def _shuffled(groups: Mapping[str, T], seed: str) -> list[T]:
    return [groups[name] for name in _drawn(list(groups), seed)]


def _in_turn(lists: Sequence[Sequence[str]]) -> list[str]:
    return [one for one in chain.from_iterable(zip_longest(*lists)) if one is not None]


def assigned(items: Sequence[T], people: Sequence[str], overlap: float) -> Iterator[tuple[str, list[T]]]:
    """(person, items): every item has one person, and the share `overlap` of them two. Those stand first, so that
    agreement can be measured before all is done; every pair of people shares about as many."""
    given: dict[str, list[T]] = {person: [] for person in people}
    count = len(people)
    shared = round(overlap * len(items)) if count > 1 else 0
    for at, item in enumerate(items):
        first = at % count
        given[people[first]].append(item)
        if at < shared:
            given[people[(first + 1 + at // count % (count - 1)) % count]].append(item)
    yield from given.items()

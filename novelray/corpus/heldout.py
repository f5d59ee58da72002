"""What is kept out of training: whole chapters or whole books, chosen by a hash of the seed and the content.

The choice is a pure function of the seed and of what is in the corpus, so that it is the same on every machine, and a
chapter whose text is the same as a held-out one's is held out with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

import xxhash

from novelray.corpus.dedup import ChapterKey
from novelray.errors import CorpusError
from novelray.recipe.corpus import HeldoutSection


def heldout_digests(
    kept: Sequence[ChapterKey], everything: Sequence[ChapterKey], heldout: HeldoutSection, seed: int
) -> set[str]:
    """Digests of the chapters that are held out.

    `kept`: the chapters after deduplication; `everything`: those before it, so that with `by: book` the copies of a
    held-out book's chapters that other books carry are held out too. Raises CorpusError when `heldout.books` names
    no book.
    """
    if heldout.by == "book":
        chosen = _books(everything, heldout, seed)
        return {key.digest for key in everything if key.book in chosen}
    return {key.digest for group in _by_book(kept).values() for key in _chapters(group, heldout.share, seed)}


def _chapters(group: list[ChapterKey], share: float, seed: int) -> list[ChapterKey]:
    ranked = sorted(group, key=lambda key: (_rank(seed, key.digest), key.index))
    return ranked[: how_many(len(group), share)]


def _books(everything: Sequence[ChapterKey], heldout: HeldoutSection, seed: int) -> set[str]:
    groups = _by_book(everything)
    if heldout.books:
        missing = [glob for glob in heldout.books if not any(fnmatchcase(book, glob) for book in groups)]
        if missing:
            raise CorpusError(
                f"corpus.heldout.books names {missing[0]!r}, and no book is called that.",
                f"The books are: {', '.join(sorted(groups)[:20])}.",
            )
        return {book for book in groups if any(fnmatchcase(book, glob) for glob in heldout.books)}
    content = {book: _rank(seed, "".join(sorted(k.digest for k in group))) for book, group in groups.items()}
    ranked = sorted(groups, key=lambda book: (content[book], book))
    return set(ranked[: how_many(len(groups), heldout.share)])


def how_many(total: int, share: float) -> int:
    """How many of `total` are held out: the share, rounded, at least one of two or more; a share of 0 is none."""
    if total < 2 or share == 0:
        return 0
    return min(total, max(1, round(total * share)))


def _rank(seed: int, text: str) -> int:
    return xxhash.xxh3_64_intdigest(f"heldout {seed} {text}".encode())


def _by_book(keys: Sequence[ChapterKey]) -> dict[str, list[ChapterKey]]:
    groups: dict[str, list[ChapterKey]] = {}
    for key in keys:
        groups.setdefault(key.book, []).append(key)
    return groups

"""How many characters each method may make, and from which chapters: decided from sizes and ids, never from text.

Budgets are counted in characters for each language apart, since a character of Chinese is more text than one of
English. The order in which chapters are taken is that of a hash, so it is the same on every machine.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import xxhash

from novelray.recipe.augment import AugmentMethod

LEAST = 0.01  # what is left of a budget below this share is not worth another round


@dataclass(frozen=True)
class Source:
    """A training chapter of the books' own: which file it stands in, and how long it is (characters).

    `stamp` is a digest of the text, to the last space, and of what else pieces have of it.
    """

    chapter_id: str
    file: int
    language: str
    chars: int
    stamp: str


@dataclass(frozen=True)
class Pick:
    """A chapter from which a method makes a piece."""

    method: str
    source: Source


def allowances(
    chars: Mapping[str, int], share: float, methods: Sequence[AugmentMethod], able: Mapping[str, Collection[str] | None]
) -> dict[tuple[str, str], int]:
    """Characters that each (method, language) may make, so that a language's sum is at most share × its characters.

    `chars`: original training characters by language. `able`: languages that a method can do; None: every one.
    """
    found: dict[tuple[str, str], int] = {}
    for language, count in sorted(chars.items()):
        weights = {m.method: Fraction(m.weight) for m in methods if _does(m, language, able.get(m.method))}
        cap, total = int(count * Fraction(share)), sum(weights.values())
        for method, weight in weights.items():
            found[method, language] = int(cap * weight / total)
    return {key: value for key, value in found.items() if value}


def _does(method: AugmentMethod, language: str, able: Collection[str] | None) -> bool:
    return (not method.languages or language in method.languages) and (able is None or language in able)


def ranked(sources: Sequence[Source], method: str, seed: int) -> list[Source]:
    """The chapters in the order in which a method takes them."""
    return sorted(sources, key=lambda s: (_rank(seed, method, s.chapter_id), s.chapter_id))


def choose(
    order: Sequence[Source], allowance: int, left: int, ratio: float, size: float | None, used: Collection[str]
) -> list[Source]:
    """The next chapters of an order, as many as fill what is `left` of an allowance (characters).

    A piece is expected to have `size` characters, or without one `ratio` times its source's. `used`: ids of chapters
    that are not free.
    """
    found: list[Source] = []
    for source in order:
        if left <= LEAST * allowance:
            break
        expected = max(1, round(size if size is not None else source.chars * ratio))
        if expected <= left and source.chapter_id not in used:
            found.append(source)
            left -= expected
    return found


def _rank(seed: int, method: str, chapter_id: str) -> int:
    return xxhash.xxh3_64_intdigest(f"augment {seed} {method} {chapter_id}".encode())

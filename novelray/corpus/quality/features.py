"""A chapter as numbers: hashed term counts, the curve of tension, and how it opens and closes. Text is read here only.

Chinese is counted by pairs of characters, English by words, other languages by pairs of letters; only Chinese and
English have word lists, so in other languages the lists find nothing (`known` is False).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, repeat
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.quality import words as w

TERMS = 16384
"""Places of the hashed term counts."""

SEGMENTS = 16
"""Points of a chapter's curve of tension."""

EDGE = {"zh": 1_500, "en": 5_000}
"""Characters at either end of a chapter that are read for how it opens and closes."""

BLOCK = 250_000
"""Characters of a long chapter that are looked at at once."""

STRETCHES = 8
"""Pieces of a book with few chapters."""

STRETCH = {"zh": 250, "en": 1_000}
"""Characters that such a piece needs at least."""

HOOK_EDGE = 40
"""Characters at the very end in which a Chinese chapter promises to go on."""

TENSION, CLOSING, OPENING = 1, 2, 4
_LISTS = ((w.EN_TENSION, TENSION), (w.EN_CLOSING, CLOSING), (w.EN_OPENING, OPENING))


def _english_bits() -> dict[bytes, int]:
    bits: dict[bytes, int] = {}
    for listed, bit in _LISTS:
        for word in listed:
            bits[word.encode()] = bits.get(word.encode(), 0) | bit
    return bits


_BITS = _english_bits()
_LETTERS = bytes(c if chr(c).isalpha() and c < 256 else 32 for c in range(256))
_ZH_TENSION = np.zeros(1 << 16, np.bool_)
_ZH_TENSION[[ord(c) for c in w.ZH_TENSION]] = True


@dataclass(frozen=True)
class Features:
    """One chapter. `terms`: TERMS counts; `tension`: SEGMENTS shares of tense words; rates are per thousand."""

    known: bool
    chars: int
    size: int  # words, or pairs of characters
    terms: NDArray[np.uint16]
    tension: NDArray[np.float64]
    opening: float
    closing: float
    hook: bool


def features(text: str, language: str) -> Features:
    """The numbers of a chapter's text without its heading. Memory besides the text: about a byte per character."""
    return _english(text) if language == "en" else _by_characters(text, language)


def _english(text: str) -> Features:
    terms = np.zeros(TERMS)
    marks = []
    for block in _blocks(text):
        words = split_words(block)
        marks.append(np.fromiter(map(_BITS.get, words, repeat(0)), np.uint8, len(words)))
        counts = Counter(words)
        places = np.fromiter((crc32(word) % TERMS for word in counts), np.int64, len(counts))
        terms += np.bincount(places, np.fromiter(counts.values(), np.float64, len(counts)), TERMS)
    bits = np.concatenate(marks)
    edge = EDGE["en"] // 5
    opening, closing = bits[:edge] & OPENING > 0, bits[-edge:] & CLOSING > 0
    return Features(
        True, len(text), len(bits), _small(terms), curve(bits & TENSION > 0), _rate(opening), _rate(closing), False
    )


def _blocks(text: str) -> Iterator[str]:
    """The text in pieces of about BLOCK characters, at least one; words are not cut where it can be helped."""
    start = 0
    while len(text) - start > BLOCK:
        space = text.rfind(" ", start + BLOCK // 2, start + BLOCK)
        end = space if space > 0 else start + BLOCK
        yield text[start:end]
        start = end
    yield text[start:]


def split_words(text: str) -> list[bytes]:
    """Lower-case words of a text in a Latin alphabet, as Latin-1."""
    return text.lower().encode("latin-1", "replace").translate(_LETTERS).split()


def _by_characters(text: str, language: str) -> Features:
    zh = language == "zh"
    terms, tense = np.zeros(TERMS), []
    for start in range(0, max(1, len(text)), BLOCK):
        # One character more than the block has: the pair that begins with its last one.
        codes = np.frombuffer(text[start : start + BLOCK + 1].encode("utf-32-le", "replace"), np.uint32)
        letter = (codes >= 0x3400) & (codes < 0xA000) if zh else codes >= 0x61
        pairs = codes[:-1] * np.uint32(0x9E3779B1) ^ codes[1:] * np.uint32(0x85EBCA77)
        places = (pairs * np.uint32(0xC2B2AE3D)) >> np.uint32(32 - TERMS.bit_length() + 1)
        terms += np.bincount(places[letter[:-1] & letter[1:]], minlength=TERMS)
        codes = codes[:BLOCK]
        tense.append(_ZH_TENSION[np.minimum(codes, 0xFFFF)] if zh else np.zeros(len(codes), np.bool_))
    edge = EDGE["zh"]
    return Features(
        zh, len(text), int(terms.sum()), _small(terms), curve(np.concatenate(tense)),
        _phrases(text[:edge], w.ZH_OPENING) if zh else 0.0, _phrases(text[-edge:], w.ZH_CLOSING) if zh else 0.0,
        zh and hooked(text),
    )  # fmt: skip


def joined(chapters: Sequence[Features]) -> Features:
    """Neighbouring chapters as one."""
    if len(chapters) == 1:
        return chapters[0]
    first, last = chapters[0], chapters[-1]
    return Features(
        first.known, sum(c.chars for c in chapters), sum(c.size for c in chapters),
        _small(np.stack([c.terms for c in chapters]).sum(0, dtype=np.int64)), resampled(chapters, SEGMENTS),
        first.opening, last.closing, last.hook,
    )  # fmt: skip


def resampled(chapters: Sequence[Features], points: int) -> NDArray[np.float64]:
    """The tension of chapters after one another, at so many points of equal length."""
    values = np.concatenate([c.tension for c in chapters])
    widths = np.repeat([max(1, c.size) / SEGMENTS for c in chapters], SEGMENTS)
    ends = np.concatenate([[0.0], np.cumsum(widths)])
    sums = np.concatenate([[0.0], np.cumsum(values * widths)])
    return np.asarray(np.diff(np.interp(np.linspace(0, ends[-1], points + 1), ends, sums)) / (ends[-1] / points))


def stretches(texts: Sequence[str], language: str) -> list[Features]:
    """A short book as STRETCHES of equal length in the place of chapters; none where it is too short for them."""
    whole = "\n".join(texts)
    if language not in STRETCH or len(whole) < STRETCHES * STRETCH[language]:
        return []
    cuts = [len(whole) * n // STRETCHES for n in range(STRETCHES + 1)]
    return [features(whole[start:end], language) for start, end in pairwise(cuts)]


def hooked(text: str) -> bool:
    """Whether a Chinese chapter's last sentence promises that the story goes on."""
    end = text[-HOOK_EDGE:]
    return any(hook in end for hook in w.ZH_HOOK)


def curve(hits: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of hits in each of SEGMENTS equal stretches."""
    if len(hits) < SEGMENTS:
        return np.full(SEGMENTS, hits.mean() if len(hits) else 0.0)
    edges = np.linspace(0, len(hits), SEGMENTS + 1).astype(np.int64)
    return np.array([np.count_nonzero(hits[start:end]) / (end - start) for start, end in pairwise(edges)])


def _small(counts: NDArray) -> NDArray[np.uint16]:
    small: NDArray[np.uint16] = np.minimum(counts, 65_535).astype(np.uint16)
    return small


def _rate(hits: NDArray[np.bool_]) -> float:
    return 1000 * float(hits.mean()) if len(hits) else 0.0


def _phrases(text: str, phrases: tuple[str, ...]) -> float:
    return 1000 * sum(text.count(phrase) for phrase in phrases) / max(1, len(text))

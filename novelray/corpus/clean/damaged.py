"""Sentences whose bytes were lost before the book came here: nothing can be repaired in them, and nothing learnt.

When a byte of GB text goes missing, all that follows up to the next ASCII character is read one byte off: rare Hanzi,
kana and enclosed digits in a row, with a `?` wherever no character fitted (都尉张辏??勘?灏倩に汀２茚月). Such a
run is told by its question marks, which stand between Hanzi every few characters, and by its characters, few of which
are usual in the rest of the book. A text whose question marks are ASCII has the first and not the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from novelray.corpus.alphabet import codes

# For a character; at a sentence's end a quote follows. The sign comes first, so that the search runs at its speed.
_LOST = re.compile(r"\?(?<=[^\x00-\x7f\s“‘「『]\?)(?=[?\u0370-\uffef])")
_APART = 14  # characters between two of them, at most
_FEWEST = 3  # of them in a run
_USUAL = 3e-5  # share of a book's characters from which one is usual in it
_LEAST_USUAL = 0.7  # share of usual characters below which a text is damaged; ordinary text has 0.85 and more
_SENTENCE = re.compile(r"[^。！？!?；…\n]*(?:[。！？!?；…]+[”’」』\"']*|\n|\Z)")
_REACH = 400  # characters to either side within which the sentence's ends are looked for


def without_damage(text: str) -> str:
    """The text without its damaged sentences."""
    parts = []
    done = 0
    for start, end in _spans(text):
        parts.append(text[done : max(done, start)])
        done = max(done, end)
    return "".join([*parts, text[done:]]) if done else text


def _spans(text: str) -> Iterator[tuple[int, int]]:
    usual: set[str] = set()
    for start, end in _runs(text):
        usual = usual or _usual(text)
        if _is_damaged(text[start:end], usual):
            yield _grown(text, start, end, usual)


def _usual(text: str) -> set[str]:
    counts = np.bincount(codes(text))
    return {chr(code) for code in np.flatnonzero(counts >= max(2, _USUAL * len(text))).tolist()} - {"?"}


def _is_damaged(part: str, usual: set[str]) -> bool:
    known = [c in usual for c in part if not c.isspace()]
    return sum(known) + part.count("?") * _LEAST_USUAL < _LEAST_USUAL * len(known)


def _runs(text: str) -> Iterator[tuple[int, int]]:
    """(first, behind the last) of each group of lost characters that stand close together."""
    places: list[int] = []
    for match in _LOST.finditer(text):
        if places and match.start() - places[-1] > _APART:
            if len(places) >= _FEWEST:
                yield places[0], places[-1] + 1
            places = []
        places.append(match.start())
    if len(places) >= _FEWEST:
        yield places[0], places[-1] + 1


def _grown(text: str, start: int, end: int, usual: set[str]) -> tuple[int, int]:
    """The run with the rest of its sentences, and with the sentences next to it that are damaged as well."""
    low, high = max(0, start - _REACH), min(len(text), end + _REACH)
    line = text.rfind("\n", low, start) + 1 or low
    before = [m.span() for m in _SENTENCE.finditer(text, line, start) if m.end() > m.start()]
    first = before.pop()[0] if before and before[-1][1] == start else start
    while before and _is_damaged(text[slice(*before[-1])], usual):
        first = before.pop()[0]
    last = end
    for sentence in _SENTENCE.finditer(text, end, high):
        if sentence.end() == sentence.start() or (last > end and not _is_damaged(sentence.group(), usual)):
            break
        last = sentence.end() - sentence.group().endswith("\n")
        if text[last : last + 1] == "\n":
            break
    return first, last

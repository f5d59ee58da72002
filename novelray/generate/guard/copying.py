"""How far a text has gone on word for word with the training books, character by character.

What is counted are the characters that the model adds: a prompt that quotes a book counts for nothing. Hanzi (and kana,
and Hangul) and letters of alphabets have limits of their own, since a Hanzi says as much as three letters; in a mixed
run each character uses up its share of its own limit. Punctuation and white space neither count nor end a run.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cache

from novelray.corpus.dedup.fold import HANZI_FROM, fold_table
from novelray.generate.guard.index import CopyIndex
from novelray.shards.grams import BASE, GRAM, MASK

AFTER = 4  # a run is no longer than its limits, but punctuation and white space may lie between
_LOW_SURROGATES = range(0xDC00, 0xE000)  # second half of a character: counted with the first
_LEAVING = pow(BASE, GRAM - 1, 1 << 64)


@dataclass(frozen=True)
class Limits:
    """The most Hanzi or letters in a row that may stand in a training book; both at least GRAM."""

    chars: int
    letters: int

    @property
    def whole(self) -> int:
        """What a run may use up."""
        return self.chars * self.letters

    def share(self, code: int) -> int:
        """What one folded unit uses up of it."""
        if code in _LOW_SURROGATES:
            return 0
        return self.letters if code >= HANZI_FROM else self.chars


class CopyRun:
    """Follows one text. Constant time for each character."""

    def __init__(self, index: CopyIndex, limits: Limits) -> None:
        assert min(limits.chars, limits.letters) >= GRAM, limits
        self.index, self.limits = index, limits
        self.offset = 0
        """Characters followed so far."""
        self.start = 0
        """Where the run began that goes on at the moment."""
        self.used = 0
        """What the run used up of `limits.whole`; 0: there is none."""
        self.polynomial = 0
        self.recent: deque[tuple[int, int]] = deque(maxlen=GRAM)
        """The last folded units, each with its character's offset."""

    @classmethod
    def after(cls, text: str, index: CopyIndex, limits: Limits) -> CopyRun:
        """One that has followed a text which is there already, so that a run goes on over its end."""
        run, tail = cls(index, limits), text[-AFTER * (limits.chars + limits.letters) :]
        run.offset = len(text) - len(tail)
        if run.push(tail) is not None:  # what is there was written under other limits
            run = cls(index, limits)
            run.offset = len(text)
        return run

    def push(self, text: str) -> int | None:
        """Follow some more text. Returns where in it the first character stands that goes too far, if one does.

        Nothing may be pushed after that.
        """
        table = _table()
        for at, char in enumerate(text):
            point = ord(char)
            if point >= 1 << 16:
                code = table[0xD800 + ((point - 0x10000) >> 10)]
                if self._follow(code) or self._follow(table[0xDC00 + (point & 0x3FF)]):
                    return at
            elif (code := table[point]) and self._follow(code):
                return at
            self.offset += 1
        return None

    def copy(self) -> CopyRun:
        """One that goes on from here on its own."""
        other = CopyRun(self.index, self.limits)
        other.offset, other.start, other.used = self.offset, self.start, self.used
        other.polynomial, other.recent = self.polynomial, self.recent.copy()
        return other

    def _follow(self, code: int) -> bool:
        recent = self.recent
        if full := len(recent) == GRAM:
            self.polynomial -= recent[0][0] * _LEAVING
        self.polynomial = (self.polynomial * BASE + code) & MASK
        recent.append((code, self.offset))
        if not (full or len(recent) == GRAM) or not self.index.has(self.polynomial):
            self.used = 0
        elif self.used:
            self.used += self.limits.share(code)
        else:
            self.start = recent[0][1]
            self.used = sum(self.limits.share(c) for c, _ in recent)
        return self.used > self.limits.whole


@cache
def _table() -> list[int]:
    found: list[int] = fold_table().tolist()
    return found

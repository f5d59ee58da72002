"""Blocked terms over a stream: an Aho-Corasick automaton on normalised text, so that the cost does not grow with them.

Case, width, accents and the script of Hanzi make no difference, nor do white space between Hanzi and characters that
are not seen. A term that begins or ends with a letter of an alphabet matches whole words only: "ass" is not in "pass".
"""

from __future__ import annotations

import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from novelray.corpus.dedup.fold import fold_table

OPEN, CLOSE, SPACE = "\1", "\0", " "
"""Symbols: where a word of an alphabet begins, where it ends, and white space of any length."""

MASK = "●"
BEFORE = 1000  # characters of a text that goes on in which a term may have begun
HANZI_FROM = "\u2e80"
_SAME = {"‘": "'", "’": "'", "“": '"', "”": '"'}


@dataclass(frozen=True)
class Match:
    """A blocked term, by its first character's offset in the stream and the one after its last."""

    start: int
    end: int


class Symbols:
    """Characters, one by one, to the symbols that terms are compared in."""

    def __init__(self) -> None:
        self._last = ""  # the last symbol that is no white space
        self._gap = False

    def push(self, char: str) -> Iterator[str]:
        """The symbols that this character adds; none for what is not seen."""
        if char.isspace():
            if not self._gap and _is_letter(self._last):
                yield CLOSE
            self._gap = True
            return
        symbol = _symbol(char)
        if not symbol:
            return
        last, gap, self._last, self._gap = self._last, self._gap, symbol, False
        if _is_letter(last) and not gap and not _is_letter(symbol):
            yield CLOSE
        if gap and last and not (last >= HANZI_FROM and symbol >= HANZI_FROM):
            yield SPACE
        if _is_letter(symbol) and (gap or not _is_letter(last)):
            yield OPEN
        yield symbol

    def end(self) -> Iterator[str]:
        """What the end of the text adds."""
        if _is_letter(self._last) and not self._gap:
            yield CLOSE


class Terms:
    """The automaton of a list of terms; shared by all streams."""

    def __init__(self, terms: Iterable[str]) -> None:
        """Terms without any character that is seen are ignored."""
        self._next: list[dict[str, int]] = [{}]
        self.depth = [0]
        self._longest = [0]  # symbols of the longest term that ends in a state; 0: none
        for term in terms:
            self._add(term)
        self._fail = [0] * len(self._next)
        self._link()

    def __len__(self) -> int:
        """How many states there are but the first; 0: nothing is blocked."""
        return len(self._next) - 1

    def step(self, state: int, symbol: str) -> int:
        """The state after one more symbol: its depth is the length of the longest end that begins a term."""
        while symbol not in self._next[state]:
            if not state:
                return 0
            state = self._fail[state]
        return self._next[state][symbol]

    def ending(self, state: int) -> int:
        """Symbols of the longest term that ends here; 0: none does."""
        return self._longest[state]

    def _add(self, term: str) -> None:
        symbols = Symbols()
        state = 0
        for symbol in [*(s for char in term.strip() for s in symbols.push(char)), *symbols.end()]:
            if symbol not in self._next[state]:
                self._next[state][symbol] = len(self._next)
                self._next.append({})
                self.depth.append(self.depth[state] + 1)
                self._longest.append(0)
            state = self._next[state][symbol]
        self._longest[state] = self.depth[state]

    def _link(self) -> None:
        waiting = deque(self._next[0].values())
        while waiting:
            state = waiting.popleft()
            for symbol, child in self._next[state].items():
                self._fail[child] = self.step(self._fail[state], symbol)
                self._longest[child] = self._longest[child] or self._longest[self._fail[child]]
                waiting.append(child)


class TermFilter:
    """Lets the text of one stream through, but for what is, or may still become, a blocked term."""

    def __init__(self, terms: Terms, masks: bool, before: str = "") -> None:
        """`masks`: a term is replaced by ●, character for character; else the text ends before it.

        `before`: what was shown before this stream, in which nothing is looked for but the beginning of a term.
        """
        self._terms, self._masks = terms, masks
        self._symbols = Symbols()
        self._state = 0
        self._places: deque[int] = deque()  # offsets of the characters of the symbols that the state stands for
        self._held = ""
        self._offset = max(0, len(before) - BEFORE)  # of the character after the held ones
        self.stopped = False
        for char in before[self._offset :]:
            self._offset += 1
            for symbol in self._symbols.push(char):
                self._follow(symbol, self._offset - 1)

    def push(self, text: str) -> tuple[str, list[Match]]:
        """What may be shown now, and the terms found. Once `stopped`, nothing may be pushed any more."""
        shown, found = [], []
        for char in text:
            self._held += char
            self._offset += 1
            for symbol in self._symbols.push(char):
                match = self._follow(symbol, self._offset - 1)
                if match is None:
                    continue
                found.append(match)
                if not self._masks:
                    shown.append(self._release(match.start))
                    self._held, self.stopped = "", True
                    return "".join(shown), found
                shown.append(self._masked(match))
        keep = self._places[0] if self._places else self._offset
        shown.append(self._release(keep))
        return "".join(shown), found

    def flush(self) -> tuple[str, list[Match]]:
        """What was held back, when no more text will come."""
        found = [m for symbol in self._symbols.end() if (m := self._follow(symbol, self._offset)) is not None]
        if found and not self._masks:
            shown, self._held, self.stopped = self._release(found[0].start), "", True
        else:
            shown = "".join(map(self._masked, found)) + self._release(self._offset)
        return shown, found

    def _follow(self, symbol: str, at: int) -> Match | None:
        """Take one symbol, of the character at this offset."""
        terms = self._terms
        self._state = terms.step(self._state, symbol)
        self._places.append(at)
        if length := terms.ending(self._state):
            first = self._places[-length]
            self._places.clear()
            self._state = 0
            return Match(first, at if symbol == CLOSE else at + 1)
        while len(self._places) > terms.depth[self._state]:
            self._places.popleft()
        return None

    def _masked(self, match: Match) -> str:
        before = self._release(match.start)
        term = self._release(match.end)
        return before + "".join(c if c.isspace() else MASK for c in term)

    def _release(self, until: int) -> str:
        """Take what lies before this offset out of what is held."""
        count = max(0, len(self._held) - (self._offset - until))
        shown, self._held = self._held[:count], self._held[count:]
        return shown


def _is_letter(symbol: str) -> bool:
    """Of an alphabet, or a digit: what words are made of. Hanzi are not."""
    return bool(symbol) and symbol < HANZI_FROM and symbol.isalnum()


@lru_cache(maxsize=1 << 16)
def _symbol(char: str) -> str:
    """How a character is compared; empty for what is not seen."""
    code = int(fold_table()[ord(char)]) if ord(char) < 1 << 16 else 0
    if code:
        return chr(code)
    if unicodedata.category(char) in ("Cf", "Cc", "Mn", "Me", "Cs"):
        return ""
    wide = unicodedata.normalize("NFKC", char)
    return _SAME.get(char, wide if len(wide) == 1 else char)

"""Steering: the tokens that would make a copied run too long are taken out of the choice before a token is drawn.

Which tokens these are is exact and cheap: the index tells which characters can go on with the run (nearly always one),
and of the tokens that begin with one of those only such are tried that are long enough to go too far.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.dedup.fold import fold
from novelray.generate.detokenise import Vocabulary
from novelray.generate.guard.copying import CopyRun, Limits
from novelray.generate.guard.index import CopyIndex
from novelray.shards.grams import BASE, GRAM


class TokenTable:
    """The tokens of a vocabulary by the folded character that they begin with."""

    def __init__(self, vocabulary: Vocabulary, limits: Limits) -> None:
        self.share: list[int] = []
        """What each token uses up of a run's limit."""
        self.beginning: defaultdict[int, list[int]] = defaultdict(list)
        self.continuing: list[int] = []
        """Tokens that begin inside a character."""
        for token in range(vocabulary.size):
            data = vocabulary.piece(token)
            if data and 0x80 <= data[0] < 0xC0:
                self.continuing.append(token)
            codes = fold(data.decode("utf-8", "ignore")).tolist()
            self.share.append(sum(map(limits.share, codes)))
            if codes:
                self.beginning[codes[0]].append(token)
        self.longest = max(self.share, default=0) + limits.letters  # one character of which a part waits already

    @cached_property
    def codes(self) -> NDArray[np.uint64]:
        """The characters that tokens begin with."""
        return np.array(sorted(self.beginning), np.uint64)


class Steerer:
    """Makes the steering of each request; shared by all of them."""

    def __init__(self, index: CopyIndex, limits: Limits) -> None:
        self.index, self.limits = index, limits
        self._tables: WeakKeyDictionary[Vocabulary, TokenTable] = WeakKeyDictionary()

    def table(self, vocabulary: Vocabulary) -> TokenTable:
        """The table of a vocabulary, made once."""
        found = self._tables.get(vocabulary)
        if found is None:
            found = self._tables[vocabulary] = TokenTable(vocabulary, self.limits)
        return found

    def new(self) -> CopySteering:
        return CopySteering(self)


class CopySteering:
    """Implements `Steering`: no run of characters from the books goes past its limit."""

    def __init__(self, steerer: Steerer) -> None:
        self._steerer = steerer
        self._run = CopyRun(steerer.index, steerer.limits)
        self.steered: list[tuple[int, int]] = []
        """Runs that were kept from going on: where each began, and its length. Only ever added to."""

    def start(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._detokeniser = vocabulary.detokeniser()

    def push(self, token_id: int) -> None:
        if self._run.push(self._detokeniser.push(token_id)) is not None:
            self._run = CopyRun(
                self._steerer.index, self._steerer.limits
            )  # it ends here: the stream's own run stops it

    def banned(self) -> list[int]:
        run, limits = self._run, self._steerer.limits
        if not run.used:
            return []
        table = self._steerer.table(self._vocabulary)
        left = limits.whole - run.used
        if left >= table.longest:
            return []
        piece = self._vocabulary.piece
        tokens = [t for code in self._going_on(table.codes) for t in table.beginning[code] if table.share[t] > left]
        banned = [t for t in tokens if run.copy().push(piece(t).decode("utf-8", "ignore")) is not None]
        if self._detokeniser.waits:
            peek = self._detokeniser.peek
            banned += [t for t in table.continuing if run.copy().push(peek(t)) is not None]
        if banned and not (self.steered and self.steered[-1][0] == run.start):
            self.steered.append((run.start, run.offset - run.start))
        return banned

    def _going_on(self, codes: NDArray[np.uint64]) -> list[int]:
        """Those of these characters that would go on with the run."""
        run = self._run
        leaving = run.recent[0][0] * pow(BASE, GRAM - 1, 1 << 64)
        base = (run.polynomial - leaving) * BASE % (1 << 64)
        found: list[int] = codes[run.index.has_each(np.uint64(base) + codes)].tolist()
        return found

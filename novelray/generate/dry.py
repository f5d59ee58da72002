"""DRY ("don't repeat yourself"): a token that would go on a repetition loses, the more the longer the repetition is.

By the definition of its author (p-e-w, text-generation-webui, 2024): where the end of the text stands earlier in it
too, the token that followed there loses `multiplier * base ** (length - allowed_length)`, if at least `allowed_length`
tokens are the same. Sequence breakers end a repetition: it holds none and is not gone on with one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from novelray.generate.protocol import Sampling

LONGEST = 50
"""Tokens of a repetition that count, as in the original: more would only raise a penalty that nothing outweighs."""

HEAVIEST = 1e4
"""The largest penalty. Finite: a token that nothing else is left for may still be chosen."""

I64 = npt.NDArray[np.int64]
NONE: I64 = np.empty(0, dtype=np.int64)


class Breakers:
    """Which tokens complete a breaker, read over the bytes of the text: it may be part of a token, or be several."""

    def __init__(self, breakers: Sequence[str], piece: Callable[[int], bytes]) -> None:
        """`piece`: the bytes of a token."""
        self._breakers = [b.encode("utf-8") for b in breakers if b]
        self._piece = piece
        self._known: dict[int, tuple[bytes, bool]] = {}  # a token's bytes, and whether a breaker lies within
        self._reach = max((len(b) for b in self._breakers), default=1) - 1
        self._open = {byte for b in self._breakers for byte in b[:-1]}  # bytes after which a breaker may go on
        self._tail = b""

    def push(self, token_id: int) -> bool:
        """Whether a breaker ends in this token, the next of the text."""
        known = self._known.get(token_id)
        if known is None:
            piece = self._piece(token_id)
            known = self._known[token_id] = (piece, any(b in piece for b in self._breakers))
        piece, within = known
        tail = self._tail
        if self._reach:
            self._tail = (tail + piece)[-self._reach :]
        return within or bool(tail and piece and tail[-1] in self._open and self._crosses(tail, piece))

    def _crosses(self, tail: bytes, piece: bytes) -> bool:
        text = tail + piece
        return any(text.find(b, max(0, len(tail) - len(b) + 1)) >= 0 for b in self._breakers)


class Dry:
    """The repetitions that one text could go on with; each token costs as much as its own earlier places are."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int], piece: Callable[[int], bytes]) -> None:
        self._multiplier, self._base = sampling.dry_multiplier, sampling.dry_base
        self._allowed, self._last = sampling.dry_allowed_length, max(0, sampling.dry_penalty_last_n)
        self._breakers = Breakers(sampling.dry_sequence_breakers, piece)
        self._tokens, self._broken = array("q"), array("b")
        self._places: dict[int, array[int]] = {}
        # Where the text's last token stands earlier, and how many tokens up to there equal the text's end.
        self._at, self._lengths = NONE, NONE
        for token in prompt_ids[:-LONGEST]:
            self._note(token)
        for token in prompt_ids[-LONGEST:]:  # no more tokens than these say how long a repetition is
            self.observe(token)

    def observe(self, token_id: int) -> None:
        """The next token of the text."""
        if self._note(token_id):
            self._at = self._lengths = NONE
            return
        at: I64 = np.array(self._places[token_id], dtype=np.int64)[:-1]
        at = at[np.frombuffer(self._broken, dtype=np.int8)[at] == 0]
        self._lengths = np.minimum(1 + self._lengths_at(at - 1), LONGEST)
        self._at = at

    def penalties(self) -> dict[int, float]:
        """What each token that would go on a repetition loses."""
        start = len(self._tokens) - self._last if self._last else 0
        lengths = np.minimum(self._lengths, self._at - max(0, start) + 1)
        long = lengths >= self._allowed
        if not long.any():
            return {}
        following, lengths = self._at[long] + 1, lengths[long]
        whole = np.frombuffer(self._broken, dtype=np.int8)[following] == 0
        tokens, lengths = np.frombuffer(self._tokens, dtype=np.int64)[following[whole]], lengths[whole]
        order = np.argsort(lengths, kind="stable")  # of several repetitions the longest counts: it comes last
        longest = dict(zip(tokens[order].tolist(), lengths[order].tolist(), strict=True))
        return {token: self._penalty(length) for token, length in longest.items()}

    def _penalty(self, length: int) -> float:
        return min(self._multiplier * self._base ** (length - self._allowed), HEAVIEST)

    def _lengths_at(self, places: I64) -> I64:
        """The length of the repetition that ended at each of these places a token ago; 0 where there was none."""
        if not len(self._at) or not len(places):
            return np.zeros(len(places), dtype=np.int64)
        found = np.searchsorted(self._at, places).clip(max=len(self._at) - 1)
        return np.where(self._at[found] == places, self._lengths[found], 0)

    def _note(self, token_id: int) -> bool:
        """Write a token down; whether it ends a sequence."""
        broken = self._breakers.push(token_id)
        self._places.setdefault(token_id, array("q")).append(len(self._tokens))
        self._tokens.append(token_id)
        self._broken.append(broken)
        return broken

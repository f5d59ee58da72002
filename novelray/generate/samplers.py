"""From logits to the next token, for all rows at once. A sampler that no row asks for is not run.

Order: repetition, presence and frequency penalties, DRY, logit bias, ends held back (minimum length), temperature,
top-k, typical, top-p, min-p, XTC, draw; `temperature_last` puts the temperature just before the draw. Each row is
computed from its own logits and its own random numbers only, so that a result does not depend on the neighbours.
Log-probabilities are the model's own, before any of this.
"""

from __future__ import annotations

import random
import secrets
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from novelray.generate.draw import Draw
from novelray.generate.dry import Dry
from novelray.generate.protocol import Sampling

Entries = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Rows, columns and values of single logits."""

Scored = tuple[float, list[tuple[int, float]]]
"""A token's log-probability, and the likeliest tokens with theirs."""


class Words(Protocol):
    """What samplers want to know of tokens."""

    def piece(self, token_id: int) -> bytes:
        """What the token adds to a text."""
        ...

    def containing(self, text: str) -> frozenset[int]:
        """All tokens with this text in them."""
        ...


class SamplerState:
    """What one request's samplers remember: its random numbers and which tokens were there."""

    def __init__(
        self,
        sampling: Sampling,
        prompt_ids: Sequence[int],
        size: int,
        device: torch.device,
        words: Words,
        ends: frozenset[int] = frozenset(),
        output: Sequence[int] = (),
    ) -> None:
        """`size`: of the vocabulary. `ends`: the tokens that end this text. `output`: what it has said already."""
        self.sampling, self.ends = sampling, sorted(ends)
        text = (*prompt_ids, *output)
        # Python's generator gives the same numbers on every device, and two numbers a token are all that is needed.
        self.random = random.Random(secrets.randbits(64) if sampling.seed is None else sampling.seed)
        self.holding = bool(self.ends) and (sampling.min_tokens > 0 or sampling.min_chars > 0)
        self.recent: torch.Tensor | None = None  # [vocabulary] how often in the range of the repetition penalty
        self._range: deque[int] | None = None  # the tokens of that range, where it is not the whole text
        self.counts: torch.Tensor | None = None  # [vocabulary] how often in the output
        if sampling.repetition_penalty != 1:
            if sampling.repetition_penalty_range > 0:
                self._range = deque(text, maxlen=sampling.repetition_penalty_range)
            seen = torch.tensor(text if self._range is None else list(self._range), dtype=torch.long)
            self.recent = seen.bincount(minlength=size).to(device)
        if sampling.presence_penalty or sampling.frequency_penalty:
            said = torch.tensor(output, dtype=torch.long).bincount(minlength=size)
            self.counts = said.to(device, torch.float32)
        self.dry = Dry(sampling, text, words.piece) if sampling.dry_multiplier > 0 else None
        self.kept: torch.Tensor | None = None  # ids that XTC never takes out: line breaks and ends
        if sampling.xtc_probability > 0:
            kept = sorted(i for i in words.containing("\n") | ends if i < size)
            self.kept = torch.tensor(kept, dtype=torch.long, device=device)
        for _ in range(len(output) * self.numbers_per_token):
            self.random.random()

    @property
    def numbers_per_token(self) -> int:
        """Random numbers that `Samplers.draw` takes for a token: one for the token, one for whether XTC cuts."""
        return 0 if self.sampling.temperature == 0 else 1 if self.kept is None else 2

    def observe(self, token_id: int) -> None:
        """A token was chosen."""
        if self.recent is not None:
            if self._range is not None:
                if len(self._range) == self._range.maxlen:
                    self.recent[self._range[0]] -= 1
                self._range.append(token_id)
            self.recent[token_id] += 1
        if self.counts is not None:
            self.counts[token_id] += 1
        if self.dry is not None:
            self.dry.observe(token_id)


@dataclass(frozen=True)
class Choice:
    """Chosen tokens of all rows; -1 where the logits were no numbers. `logprobs` by row, for rows that ask."""

    tokens: list[int]
    logprobs: dict[int, Scored]


class Samplers:
    """The samplers of a set of rows; built once for as long as the set stays the same."""

    def __init__(self, states: Sequence[SamplerState], device: torch.device) -> None:
        self.states = list(states)
        self._device = device
        asked = [s.sampling for s in states]
        self._repeat = [i for i, s in enumerate(states) if s.recent is not None]
        self._repeat_by = self._column([asked[i].repetition_penalty for i in self._repeat])
        self._count = [i for i, s in enumerate(states) if s.counts is not None]
        self._presence = self._column([asked[i].presence_penalty for i in self._count])
        self._frequency = self._column([asked[i].frequency_penalty for i in self._count])
        self._dry = [(i, s.dry) for i, s in enumerate(states) if s.dry is not None]
        self._bias = self._entries((i, token, v) for i, s in enumerate(asked) for token, v in s.logit_bias.items())
        self._held = [i for i, s in enumerate(states) if s.holding]
        self._drawn = [i for i, s in enumerate(asked) if s.temperature > 0]
        self._draw = Draw([asked[i] for i in self._drawn], [states[i].kept for i in self._drawn], device)
        self._has_xtc = any(states[i].kept is not None for i in self._drawn)
        self._logprobs = [i for i, s in enumerate(asked) if s.logprobs is not None]

    def choose(self, logits: torch.Tensor) -> Choice:
        """The next token of each row of `logits` [rows, vocabulary], which is overwritten; advances the states."""
        logits = logits.float()
        raw = logits[self._logprobs].log_softmax(-1) if self._logprobs else None
        tokens, top = self.draw(logits)
        result: list[int] = torch.where(top.isfinite(), tokens, -1).tolist()
        for state, token in zip(self.states, result, strict=True):
            if token >= 0:
                state.observe(token)
        return Choice(result, {} if raw is None else self._report(raw, result))

    def draw(self, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next token of each row of `logits` [rows, vocabulary] in float32, which is overwritten, and its largest
        logit after the penalties. Of the states only the random numbers advance."""
        self._penalise(logits)
        if not self._drawn:
            top, tokens = logits.max(-1)
            return tokens, top
        top = logits.amax(-1)  # where the largest is found costs eight times as much as what it is
        everyone = len(self._drawn) == len(logits)
        chosen = logits if everyone else logits[self._drawn]
        drawing = [self.states[i] for i in self._drawn]
        numbers = self._column([s.random.random() for s in drawing])
        chances = numbers
        if self._has_xtc:
            chances = self._column([s.random.random() if s.kept is not None else 1.0 for s in drawing])
        drawn = self._draw(chosen, top if everyone else top[self._drawn], numbers, chances)
        return drawn if everyone else logits.argmax(-1).index_copy(0, self._index(self._drawn), drawn), top

    def _penalise(self, logits: torch.Tensor) -> None:
        if self._repeat:
            some = logits[self._repeat]
            recent = torch.stack([t for i in self._repeat if (t := self.states[i].recent) is not None])
            weaker = torch.where(some > 0, some / self._repeat_by, some * self._repeat_by)
            logits[self._repeat] = torch.where(recent > 0, weaker, some)
        if self._count:
            counts = torch.stack([t for i in self._count if (t := self.states[i].counts) is not None])
            logits[self._count] -= self._presence * (counts > 0) + self._frequency * counts
        if self._dry:
            self._add(logits, self._entries((i, t, -v) for i, dry in self._dry for t, v in dry.penalties().items()))
        self._add(logits, self._bias)
        if self._held:
            self._hold_ends_back(logits)

    def _hold_ends_back(self, logits: torch.Tensor) -> None:
        """Texts that are too short yet cannot end."""
        self._held = [i for i in self._held if self.states[i].holding]
        for row in self._held:
            logits[row, self.states[row].ends] = float("-inf")

    def _add(self, logits: torch.Tensor, entries: Entries | None) -> None:
        if entries is not None:
            rows, columns, values = entries
            logits[rows, columns] += values

    def _report(self, raw: torch.Tensor, tokens: list[int]) -> dict[int, Scored]:
        """Of each row that asks: its token's log-probability and the likeliest tokens with theirs."""
        most = max(self.states[i].sampling.logprobs or 0 for i in self._logprobs)
        found = zip(self._logprobs, scored(raw, [tokens[row] for row in self._logprobs], most), strict=True)
        return {row: (own, top[: self.states[row].sampling.logprobs or 0]) for row, (own, top) in found}

    def _entries(self, found: Iterable[tuple[int, int, float]]) -> Entries | None:
        """(row, token, value)s, no two for the same logit, as tensors; None where there are none."""
        listed = list(found)
        if not listed:
            return None
        rows, columns, values = zip(*listed, strict=True)
        return self._index(rows), self._index(columns), torch.tensor(values, dtype=torch.float32, device=self._device)

    def _column(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).unsqueeze(1)

    def _index(self, values: Sequence[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)


def scored(raw: torch.Tensor, tokens: Sequence[int], most: int) -> list[Scored]:
    """Of each row of log-probabilities [rows, vocabulary] its token's, and the `most` likeliest. -1: no token."""
    best = raw.topk(min(most, raw.shape[1]))
    chosen = torch.tensor(tokens, dtype=torch.long, device=raw.device).clamp_min(0)
    own = raw.gather(1, chosen[:, None])[:, 0].tolist()
    pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [(value, list(zip(ids, values, strict=True))) for value, (ids, values) in zip(own, pairs, strict=True)]

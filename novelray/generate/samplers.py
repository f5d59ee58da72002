"""From logits to the next token, for all rows at once. A sampler that no row asks for is not run.

Order: repetition, presence and frequency penalties, logit bias, temperature, top-k, top-p, min-p, draw. Each row is
computed from its own logits and its own random numbers only, so that a result does not depend on the neighbours.
Log-probabilities are the model's own, before any of this.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from novelray.generate.protocol import Sampling


class SamplerState:
    """What one request's samplers remember: its random numbers and which tokens were there."""

    def __init__(self, sampling: Sampling, prompt_ids: Sequence[int], vocabulary: int, device: torch.device) -> None:
        self.sampling = sampling
        # Python's generator gives the same numbers on every device, and one number a token is all that is needed.
        self.random = random.Random(secrets.randbits(64) if sampling.seed is None else sampling.seed)
        self.seen: torch.Tensor | None = None  # [vocabulary] bool: in the prompt or the output
        self.counts: torch.Tensor | None = None  # [vocabulary] how often in the output
        if sampling.repetition_penalty != 1:
            self.seen = torch.zeros(vocabulary, dtype=torch.bool, device=device)
            self.seen[torch.tensor(prompt_ids, dtype=torch.long, device=device)] = True
        if sampling.presence_penalty or sampling.frequency_penalty:
            self.counts = torch.zeros(vocabulary, device=device)

    def observe(self, token_id: int) -> None:
        """A token was chosen."""
        if self.seen is not None:
            self.seen[token_id] = True
        if self.counts is not None:
            self.counts[token_id] += 1


@dataclass(frozen=True)
class Choice:
    """Chosen tokens of all rows; -1 where the logits were no numbers. `logprobs` by row, for rows that ask."""

    tokens: list[int]
    logprobs: dict[int, tuple[float, list[tuple[int, float]]]]


class Samplers:
    """The samplers of a set of rows; built once for as long as the set stays the same."""

    def __init__(self, states: Sequence[SamplerState], device: torch.device) -> None:
        self.states = list(states)
        self._device = device
        asked = [s.sampling for s in states]
        self._repeat = [i for i, s in enumerate(states) if s.seen is not None]
        self._repeat_by = self._column([asked[i].repetition_penalty for i in self._repeat])
        self._count = [i for i, s in enumerate(states) if s.counts is not None]
        self._presence = self._column([asked[i].presence_penalty for i in self._count])
        self._frequency = self._column([asked[i].frequency_penalty for i in self._count])
        self._bias = self._biases(asked)
        self._drawn = [i for i, s in enumerate(asked) if s.temperature > 0]
        drawn = [asked[i] for i in self._drawn]
        self._draw = _Draw(
            self._column([s.temperature for s in drawn]),
            self._column([s.top_k if s.top_k > 0 else 0 for s in drawn]).long(),
            self._column([s.top_p for s in drawn]),
            self._column([s.min_p for s in drawn]),
        )
        self._logprobs = [i for i, s in enumerate(asked) if s.logprobs is not None]

    def choose(self, logits: torch.Tensor) -> Choice:
        """The next token of each row of `logits` [rows, vocabulary], which is overwritten; advances the states."""
        logits = logits.float()
        raw = logits[self._logprobs].log_softmax(-1) if self._logprobs else None
        self._penalise(logits)
        top, tokens = logits.max(-1)
        if self._drawn:
            everyone = len(self._drawn) == len(logits)
            chosen = logits if everyone else logits[self._drawn]
            numbers = self._column([self.states[i].random.random() for i in self._drawn])
            drawn = self._draw(chosen, top if everyone else top[self._drawn], numbers)
            tokens = drawn if everyone else tokens.index_copy(0, self._index(self._drawn), drawn)
        result: list[int] = torch.where(top.isfinite(), tokens, -1).tolist()
        for state, token in zip(self.states, result, strict=True):
            if token >= 0:
                state.observe(token)
        return Choice(result, {} if raw is None else self._report(raw, result))

    def _penalise(self, logits: torch.Tensor) -> None:
        if self._repeat:
            some = logits[self._repeat]
            seen = torch.stack([t for i in self._repeat if (t := self.states[i].seen) is not None])
            weaker = torch.where(some > 0, some / self._repeat_by, some * self._repeat_by)
            logits[self._repeat] = torch.where(seen, weaker, some)
        if self._count:
            counts = torch.stack([t for i in self._count if (t := self.states[i].counts) is not None])
            logits[self._count] -= self._presence * (counts > 0) + self._frequency * counts
        if self._bias is not None:
            rows, columns, values = self._bias
            logits[rows, columns] += values

    def _report(self, raw: torch.Tensor, tokens: list[int]) -> dict[int, tuple[float, list[tuple[int, float]]]]:
        """Of each row that asks: its token's log-probability and the likeliest tokens with theirs."""
        most = max(self.states[i].sampling.logprobs or 0 for i in self._logprobs)
        best = raw.topk(min(most, raw.shape[1]))
        values, ids = best.values.tolist(), best.indices.tolist()
        report = {}
        for at, row in enumerate(self._logprobs):
            count = self.states[row].sampling.logprobs or 0
            pairs = list(zip(ids[at][:count], values[at][:count], strict=True))
            report[row] = (float(raw[at, tokens[row]]), pairs)
        return report

    def _biases(self, asked: Sequence[Sampling]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None:
        all_of_them = [(row, token, value) for row, s in enumerate(asked) for token, value in s.logit_bias.items()]
        if not all_of_them:
            return None
        rows, columns, values = zip(*all_of_them, strict=True)
        return self._index(rows), self._index(columns), torch.tensor(values, dtype=torch.float32, device=self._device)

    def _column(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).unsqueeze(1)

    def _index(self, values: Sequence[int]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)


class _Draw:
    """Temperature, top-k, top-p, min-p and the draw. All parameters are columns [rows, 1]."""

    def __init__(
        self, temperature: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, min_p: torch.Tensor
    ) -> None:
        self._temperature, self._top_k, self._top_p, self._min_p = temperature, top_k, top_p, min_p
        self._cut = torch.nonzero(((top_k > 0) | (top_p < 1)).flatten()).flatten()
        self._has_min_p = bool((min_p > 0).any())

    def __call__(self, logits: torch.Tensor, top: torch.Tensor, numbers: torch.Tensor) -> torch.Tensor:
        """Tokens [rows] by inverse transform: `numbers` [rows, 1], in [0, 1), say where in the cumulative sum."""
        # The largest becomes 0 before the division: a tiny temperature then gives -inf, never inf - inf.
        probabilities = ((logits - top.unsqueeze(1)) / self._temperature).softmax(-1)
        if len(self._cut):
            probabilities = self._keep_likeliest(probabilities)
        if self._has_min_p:
            least = self._min_p * probabilities.amax(-1, keepdim=True)
            probabilities = torch.where(probabilities >= least, probabilities, 0)
        cumulative = probabilities.cumsum(-1)
        total = cumulative[:, -1:]
        at = torch.minimum(numbers * total, torch.nextafter(total, torch.zeros_like(total)))
        # The first place where the sum passes `at`: there it grew, so that token's probability is not zero.
        return torch.searchsorted(cumulative, at, right=True).squeeze(1).clamp_max(logits.shape[1] - 1)

    def _keep_likeliest(self, probabilities: torch.Tensor) -> torch.Tensor:
        """Zero what top-k and top-p leave out. Tokens as likely as the last one kept stay too."""
        floor = torch.zeros_like(self._top_p)
        rows = self._cut
        floor[rows] = _floor(probabilities[rows], self._top_k[rows], self._top_p[rows])
        return torch.where(probabilities >= floor, probabilities, 0)


def _floor(probabilities: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """The least probability kept, [rows, 1]: top-k first, then the fewest of those that hold top-p of their sum."""
    size = probabilities.shape[1]
    best = _descending(probabilities)
    limit = torch.where(top_k > 0, top_k, size)
    best = torch.where(torch.arange(size, device=best.device) < limit, best, 0)
    before = best.cumsum(-1) - best
    enough = torch.where(top_p < 1, top_p * best.sum(-1, keepdim=True), torch.inf)
    kept = ((before < enough) & (best > 0)).sum(-1, keepdim=True).clamp_min(1)
    return best.gather(1, kept - 1)


def _descending(probabilities: torch.Tensor) -> torch.Tensor:
    """Each row sorted. On the CPU by numpy, whose vector sort of 8,000 floats takes 20 µs and torch's 350."""
    if probabilities.device.type == "cpu":
        return torch.from_numpy(np.sort(probabilities.numpy(), axis=-1)[:, ::-1].copy())
    return probabilities.sort(-1, descending=True).values

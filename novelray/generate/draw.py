"""Temperature, the samplers that cut, and the draw, for the rows that draw. A cut that no row asks for is not run.

All work on probabilities: what is cut becomes 0. Each row is computed from its own numbers only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from novelray.generate.protocol import Sampling


class Draw:
    """The parameters of a set of rows, each a column [rows, 1]; rows with a temperature of 0 are not in here."""

    def __init__(self, asked: Sequence[Sampling], kept: Sequence[torch.Tensor | None], device: torch.device) -> None:
        """`kept`: for rows with XTC, ids of tokens that it never takes out."""
        self._device = device
        self._temperature = self._column([1.0 if s.temperature_last else s.temperature for s in asked])
        self._top_k = self._column([s.top_k if s.top_k > 0 else 0 for s in asked]).long()
        self._top_p = self._column([s.top_p for s in asked])
        self._min_p = self._column([s.min_p for s in asked])
        self._typical_p = self._column([s.typical_p for s in asked])
        self._xtc_probability = self._column([s.xtc_probability for s in asked])
        self._xtc_threshold = self._column([s.xtc_threshold for s in asked])
        self._typical = self._rows([s.typical_p < 1 for s in asked])
        self._cut = self._rows([s.typical_p >= 1 and (s.top_k > 0 or s.top_p < 1) for s in asked])
        self._has_min_p = any(s.min_p > 0 for s in asked)
        self._xtc = self._rows([s.xtc_probability > 0 for s in asked])
        self._kept = [ids for s, ids in zip(asked, kept, strict=True) if s.xtc_probability > 0]
        self._late = self._rows([s.temperature_last for s in asked])
        self._late_power = 1 / self._column([s.temperature for s in asked])[self._late]

    def __call__(
        self, logits: torch.Tensor, top: torch.Tensor, numbers: torch.Tensor, chances: torch.Tensor
    ) -> torch.Tensor:
        """Tokens [rows] by inverse transform: `numbers` [rows, 1], in [0, 1), say where in the cumulative sum.

        `top` [rows]: the largest logits. `chances` [rows, 1], in [0, 1): XTC takes part where they are below its own.
        """
        probabilities = self.probabilities(logits, top, chances)
        cumulative = probabilities.cumsum(-1)
        total = cumulative[:, -1:]
        at = torch.minimum(numbers * total, torch.nextafter(total, torch.zeros_like(total)))
        # The first place where the sum passes `at`: there it grew, so that token's probability is not zero.
        return torch.searchsorted(cumulative, at, right=True).squeeze(1).clamp_max(logits.shape[1] - 1)

    def probabilities(self, logits: torch.Tensor, top: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        """What is left of each row [rows, vocabulary] after all cuts; the rows do not sum to 1."""
        # The largest becomes 0 before the division: a tiny temperature then gives -inf, never inf - inf.
        left = ((logits - top.unsqueeze(1)) / self._temperature).softmax(-1)
        if len(rows := self._typical):
            left[rows] = self._keep_typical(left[rows])
        if len(rows := self._cut):
            floor = torch.zeros_like(self._top_p)
            floor[rows] = _floor(left[rows], self._top_k[rows], self._top_p[rows])
            left = torch.where(left >= floor, left, 0)
        if self._has_min_p:
            left = torch.where(left >= self._min_p * left.amax(-1, keepdim=True), left, 0)
        if len(rows := self._xtc):
            left[rows] = self._without_top_choices(left[rows], chances[rows])
        if len(rows := self._late):
            left[rows] = (left[rows] / left[rows].amax(-1, keepdim=True)) ** self._late_power
        return left

    def _keep_typical(self, left: torch.Tensor) -> torch.Tensor:
        """Rows with typical_p: top-k goes before it and top-p after it, so that each has a pass of its own."""
        rows = self._typical
        top_k, top_p = self._top_k[rows], self._top_p[rows]
        left = torch.where(left >= _floor(left, top_k, torch.ones_like(top_p)), left, 0)
        left = _typical(left, self._typical_p[rows])
        return torch.where(left >= _floor(left, torch.zeros_like(top_k), top_p), left, 0)

    def _without_top_choices(self, left: torch.Tensor, chances: torch.Tensor) -> torch.Tensor:
        """XTC: of the tokens that reach the threshold, only the least likely stays (with those that equal it)."""
        rows = self._xtc
        left = left / left.sum(-1, keepdim=True)
        viable = left >= self._xtc_threshold[rows]
        least = torch.where(viable, left, torch.inf).amin(-1, keepdim=True)
        removed = viable & (left > least) & (chances < self._xtc_probability[rows])
        for row, ids in enumerate(self._kept):
            if ids is not None and removed[row, ids].any():
                removed[row] = False  # as in the original: then the whole row stays as it is
        return left.masked_fill(removed, 0)

    def _column(self, values: Sequence[float]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device).unsqueeze(1)

    def _rows(self, asked: Sequence[bool]) -> torch.Tensor:
        rows = [row for row, yes in enumerate(asked) if yes]
        return torch.tensor(rows, dtype=torch.long, device=self._device)


def _typical(left: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """Keep the tokens whose surprise is nearest to the expected one, as many as hold `mass` (Meister et al., 2022)."""
    left = left / left.sum(-1, keepdim=True)
    surprise = -left.log()
    expected = torch.where(left > 0, left * surprise, 0).sum(-1, keepdim=True)
    distance = (surprise - expected).abs()
    order = _ascending(distance)
    before = (left.gather(1, order).cumsum(-1) < mass).sum(-1, keepdim=True).clamp_max(left.shape[1] - 1)
    return torch.where(distance <= distance.gather(1, order.gather(1, before)), left, 0)


def _floor(left: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor) -> torch.Tensor:
    """The least probability kept, [rows, 1]: top-k first, then the fewest of those that hold top-p of their sum.

    Tokens as likely as the last one kept stay too.
    """
    size = left.shape[1]
    best = _descending(left)
    limit = torch.where(top_k > 0, top_k, size)
    best = torch.where(torch.arange(size, device=best.device) < limit, best, 0)
    before = best.cumsum(-1) - best
    enough = torch.where(top_p < 1, top_p * best.sum(-1, keepdim=True), torch.inf)
    kept = ((before < enough) & (best > 0)).sum(-1, keepdim=True).clamp_min(1)
    return best.gather(1, kept - 1)


def _descending(rows: torch.Tensor) -> torch.Tensor:
    """Each row sorted. On the CPU by numpy, whose vector sort of 8,000 floats takes 20 µs and torch's 350."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.sort(rows.numpy(), axis=-1)[:, ::-1].copy())
    return rows.sort(-1, descending=True).values


def _ascending(rows: torch.Tensor) -> torch.Tensor:
    """Where each row's values lie in ascending order."""
    if rows.device.type == "cpu":
        return torch.from_numpy(np.argsort(rows.numpy(), axis=-1))
    return rows.argsort(-1)

"""Curricula: easy rows first. Which share of an epoch's rows comes from which band of difficulty, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from novelray.recipe.base import PositiveInt, Section, Share

Weight = Annotated[float, Field(ge=0.0)]
Weights = tuple[float, ...]


class CurriculumPoint(Section):
    """The shares of the bands in one epoch."""

    epoch: PositiveInt
    """Epoch, counted from 1."""

    easy: Share | None = None
    """With two bands: share of the rows that are from the easier half."""

    hard: Share | None = None
    """With two bands: share from the harder half. Default: what `easy` leaves, and the other way round."""

    weights: tuple[Weight, ...] = ()
    """With any number of bands, in place of `easy` and `hard`: their shares from the easiest to the hardest. Only
    their proportions count."""

    @model_validator(mode="after")
    def _says_it_once(self) -> CurriculumPoint:
        named = self.easy is not None or self.hard is not None
        if named == bool(self.weights):
            raise ValueError("give either weights, or easy and hard")
        if not sum(self.shares) > 0:
            raise ValueError("at least one share has to be above 0")
        return self

    @property
    def shares(self) -> Weights:
        """A weight for each band, from the easiest to the hardest."""
        if self.weights:
            return self.weights
        easy = self.easy if self.easy is not None else 1.0 - float(self.hard or 0.0)
        return easy, self.hard if self.hard is not None else 1.0 - easy

    def identity(self) -> dict[str, Any]:
        """However it was said: the epoch and the shares, which add up to 1."""
        return {"epoch": self.epoch, "weights": list(_normalised(self.shares))}


GUIDE = (CurriculumPoint(epoch=5, easy=1.0, hard=0.0), CurriculumPoint(epoch=15, easy=0.2, hard=0.8))
"""The field's guide: easy rows alone for five epochs, then over ten epochs fewer of them and more of the hard ones."""


class CurriculumSection(Section):
    """Easy rows first. The rows are divided by their difficulty into bands with equally many rows; the schedule says
    which share of an epoch's rows comes from which band. An epoch stays as long as it is without a curriculum, so that
    rows of a band with a large share come more than once in it, and others not at all. Within a band every row comes
    once before any comes again, over all epochs."""

    schedule: Literal["guide"] | tuple[CurriculumPoint, ...] = "guide"
    """`guide`: the easier half alone in epochs 1 to 5; from there to epoch 15 its share falls to 0.2 and that of the
    harder half rises to 0.8. Or a list of points, each an epoch with its shares (`{epoch: 1, easy: 1}`)."""

    between: Literal["linear", "steps"] = "linear"
    """Shares in epochs between two points: on a line from one to the other, or those of the point before. Before the
    first point and after the last they are those of that point."""

    bands: Annotated[int, Field(ge=2, le=100)] = 2
    """Number of bands. The guide's schedule has two: easy and hard."""

    difficulty: Literal["scores", "loss"] = "scores"
    """`scores`: how hard the chapters are to read (length of sentences, variety of words); needs no model. `loss`: the
    loss of the model that the stage starts from, in nats per token, measured once for each row."""

    @property
    def points(self) -> tuple[CurriculumPoint, ...]:
        """The schedule as a table."""
        return GUIDE if self.schedule == "guide" else self.schedule

    def weights(self, epoch: int) -> Weights:
        """Share of each band in an epoch, which counts from 1; they add up to 1."""
        before = [p for p in self.points if p.epoch <= epoch]
        after = [p for p in self.points if p.epoch > epoch]
        if not before or not after or self.between == "steps":
            return _normalised((before[-1] if before else self.points[0]).shares)
        here, there = before[-1], after[0]
        along = (epoch - here.epoch) / (there.epoch - here.epoch)
        pairs = zip(_normalised(here.shares), _normalised(there.shares), strict=True)
        return tuple(a + (b - a) * along for a, b in pairs)

    def idle_band(self, epochs: int) -> int | None:
        """The first band (from 1) that has no share in any of the first `epochs` epochs; None when all have one."""
        last = min(epochs, self.points[-1].epoch)
        seen = [self.weights(epoch) for epoch in range(1, last + 1)]
        return next((band + 1 for band in range(self.bands) if not any(w[band] for w in seen)), None)

    def identity(self) -> dict[str, Any]:
        """With the guide's schedule written out: a table that says the same makes the same model."""
        return {**super().identity(), "schedule": [point.identity() for point in self.points]}


def _normalised(shares: Sequence[float]) -> Weights:
    total = sum(shares)
    return tuple(round(share / total, 12) for share in shares)

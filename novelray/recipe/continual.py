"""Keeping what the model knew while it learns something new."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section

Part = Annotated[float, Field(ge=0.0, lt=1.0)]


class EwcSection(Section):
    """Elastic weight consolidation (Kirkpatrick et al., 2017): weights that the old rows depend on are held back."""

    strength: Annotated[float, Field(gt=0)] = 10.0
    """Weight of the penalty: strength / 2 × the sum over the weights of their Fisher information × their squared
    change, in nats per token. At 1 it is about the rise of the loss per old token; more holds more and
    learns less (measured in docs/results.md)."""

    rows: PositiveInt = 256
    """Old rows on which the Fisher information is measured."""


class ContinualSection(Section):
    """What is done against forgetting. With the defaults, nothing."""

    old: tuple[str, ...] = ()
    """Books of this corpus (globs) that hold what is not to be forgotten. Empty: the rows that the starting model was
    trained on, as far as they are known."""

    replay: Part = 0.0
    """Share of the rows of each batch that are old ones, rounded to whole rows, at least one and never all. New rows
    come as without it, all once per epoch, so an epoch has more steps. Old rows come all once before any comes
    again."""

    ewc: EwcSection | None = None
    """Absent: no penalty."""

    @property
    def active(self) -> bool:
        """Whether old rows are needed."""
        return self.replay > 0 or self.ewc is not None

    def old_per_batch(self, global_batch: int) -> int:
        """Old rows in a batch of so many. What they are of it differs from `replay` by at most half a row, or by what
        the least and the most allow."""
        return min(max(1, round(self.replay * global_batch)), global_batch - 1) if self.replay else 0

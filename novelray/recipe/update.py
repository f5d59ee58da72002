"""Training on what is new, again and again: what a scheduled update does with books that came in since the last one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novelray.recipe.base import PositiveInt, Section
from novelray.recipe.continual import ContinualSection

if TYPE_CHECKING:
    from novelray.recipe.train import StageSection

STAGE, REPLAY = "update", 0.2


class UpdateSection(Section):
    """`novelray update`: the promoted model goes on training on the chapters that it has not seen, with the settings
    of the last stage."""

    counts = False

    min_new_tokens: PositiveInt = 100_000
    """Tokens of new training text below which nothing is done yet. The default is about six optimiser steps of the
    default batch."""

    continual: ContinualSection | None = None
    """What is done against forgetting in an update. Absent: what the last stage has in `train.continual`, and a replay
    of 0.2 where that is nothing. What is old is always what the model was trained on; `old` is not read."""

    def stage(self, last: StageSection) -> StageSection:
        """The stage of an update, from the recipe's last one."""
        asked = self.continual or (last.continual if last.continual.active else ContinualSection(replay=REPLAY))
        return last.model_copy(update={"name": STAGE, "continual": asked.model_copy(update={"old": ()})})

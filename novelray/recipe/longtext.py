"""Long texts: how a model reads further than it was made for, and how attention over a long text stays affordable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section

Natural = Annotated[int, Field(ge=0)]


class RopeSection(Section):
    """Scaling of rotary positions: the model reads `factor` times as many tokens, after some training on long rows."""

    type: Literal["linear", "dynamic", "yarn"] = "yarn"
    """`linear` divides positions by the factor (Chen et al., 2023). `dynamic` raises the base of the rotation by the
    dynamic-NTK formula for the whole extended context: it is fixed there, as in vLLM, since a base that follows the
    longest text of a batch would let neighbours change a text and make cached keys stale. `yarn` scales slow rotations
    only and sharpens attention a little (Peng et al., 2023)."""

    factor: Annotated[float, Field(gt=1.0)]
    """How many times as long. `shards.context` may be up to this times what the base reads."""


class AttentionSection(Section):
    """Which tokens a token attends to. What is set here stays with the model: evaluation and serving apply it too."""

    type: Literal["full", "sparse"] = "sparse"
    """`sparse` is a causal BigBird (Zaheer et al., 2020): near blocks, the first blocks of the document, and a few
    random blocks between; only those are computed. `full` makes a model that was trained sparse attend to all."""

    block: Literal[16, 32, 64, 128, 256] = 128
    """Tokens in a block. On a GPU less than 128 costs as much as 128."""

    window_blocks: PositiveInt = 8
    """Blocks that a token sees up to its own, counted with it."""

    global_blocks: Natural = 1
    """Blocks at the start of the document that every token sees."""

    random_blocks: Natural = 3
    """Blocks between those that a token sees besides, spread evenly and drawn once for each block of the text."""

    seed: Natural = 0
    """Seed of that draw; not the recipe's `seed`, which changes from run to run."""

    @property
    def reach(self) -> int:
        """Most tokens that a token attends to."""
        return self.block * (self.window_blocks + self.global_blocks + self.random_blocks)

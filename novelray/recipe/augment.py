"""Text made from the books' own."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import Section


class AugmentSection(Section):
    """Text made from the books' own, never more than half of it, never in the held-out split."""

    share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Characters of augmented text per character of original training text, at most; 0: none."""

"""What the model is for, and so how much text it needs."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import Section


class PlanSection(Section):
    """The objective. Volumes are the field guide's, not our measurements."""

    counts = False

    objective: Literal["style", "genre", "author"] = "style"
    """`style` (general fiction, 80 M tokens by the guide), `genre` (120 M) or `author` (200 M)."""

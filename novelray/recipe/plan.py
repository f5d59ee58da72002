"""What the model is for, and so how much text it needs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from novelray.recipe.base import Section


class PlanSection(Section):
    """The objective. Volumes are the field guide's, not our measurements."""

    counts = False

    objective: Literal["style", "genre", "author"] = "style"
    """`style` (general fiction, 80 M tokens by the guide), `genre` (120 M) or `author` (200 M)."""

    gpu_memory: Annotated[float, Field(gt=0)] | None = None
    """Memory of one GPU, in GB as its makers count (24, 80): `novelray plan` then says whether each stage fits in bf16,
    and else what to change."""

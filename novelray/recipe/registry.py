"""Under which name a trained model is known, and when it may take the place of the one before."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import Section, Slug

Rise = Annotated[float, Field(ge=0.0)]


class PromotionSection(Section):
    """By how much a new model may be worse than the one it was trained from and still get the alias. Every model is
    registered; one that is not promoted is kept under its digest alone."""

    counts = False

    heldout_rise: Rise | None = None
    """Largest rise of the perplexity on held-out rows of the training books, as a share (0.05: five percent). Absent:
    not asked."""

    old_rise: Rise | None = None
    """The same on held-out rows of what the model knew before (see train.continual.old). Absent: not asked."""

    @property
    def asked(self) -> bool:
        """Whether anything has to be measured."""
        return self.heldout_rise is not None or self.old_rise is not None


class RegistrySection(Section):
    """Versions are immutable (`name@digest`); aliases move."""

    counts = False

    model: Slug | None = None
    """Name of the model in the registry. Default: the recipe's name."""

    alias: Slug = "latest"
    """Alias that points to a new version once it is registered and promoted."""

    promote: PromotionSection = PromotionSection()
    """What a new version must not make worse to get the alias."""

"""Under which name a trained model is known."""

from __future__ import annotations

from novelray.recipe.base import Section, Slug


class RegistrySection(Section):
    """Versions are immutable (`name@digest`); aliases move."""

    counts = False

    model: Slug | None = None
    """Name of the model in the registry. Default: the recipe's name."""

    alias: Slug = "latest"
    """Alias that points to a new version once it is registered."""

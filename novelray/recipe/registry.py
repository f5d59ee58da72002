"""Under which name a trained model is known."""

from __future__ import annotations

from pydantic import Field

from novelray.recipe.base import NOT_IDENTITY, Section, Slug


class RegistrySection(Section):
    """Versions are immutable (`name@digest`); aliases move."""

    model: Slug | None = Field(None, json_schema_extra=NOT_IDENTITY)
    """Name of the model in the registry. Default: the recipe's name."""

    alias: Slug = Field("latest", json_schema_extra=NOT_IDENTITY)
    """Alias that points to a new version once it is registered."""

"""What people said of the chapters."""

from __future__ import annotations

from pydantic import Field

from novelray.recipe.base import Section


class LabelsSection(Section):
    """What people said of the chapters, in files exported from Label Studio or Doccano."""

    files: tuple[str, ...] = ()
    """Annotation files or globs; relative to the recipe."""

    min_kappa: float = Field(0.6, ge=-1.0, le=1.0)
    """Labels on which the annotators' mean Cohen's kappa is below this are not used."""

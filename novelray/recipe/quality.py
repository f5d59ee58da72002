"""What a good corpus is."""

from __future__ import annotations

from novelray.recipe.base import Section, Share


class QualitySection(Section):
    """What a good corpus is, by the field's guide. Every gate is a number with an explanation in the report."""

    measure: bool = True
    """Measure story arc, style and perspective of every chapter and book."""

    max_style_distance: Share = 0.15
    """Mean TF-IDF distance of a book's chapters to the book, above which its style is not consistent (guide: 15 %)."""

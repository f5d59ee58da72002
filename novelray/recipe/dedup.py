"""Which chapters count as the same."""

from __future__ import annotations

from novelray.recipe.base import Section, Share


class DedupSection(Section):
    """Which chapters count as the same, and of which one is kept."""

    exact: bool = True
    """Keep one of the chapters whose text is the same but for whitespace."""

    near: bool = True
    """Keep one of the chapters that are nearly the same: other editions, digitisations and scripts."""

    threshold: Share = 0.5
    """Jaccard similarity of the sets of character 5-grams from which two chapters count as nearly the same."""

    max_share: Share = 0.5
    """The stage stops when deduplication would remove more than this share of the chapters: more likely a fault."""

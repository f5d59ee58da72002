"""Which chapters count as the same."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import Section, Share


class DedupSection(Section):
    """Which chapters count as the same, and of which one is kept."""

    exact: bool = True
    """Keep one of the chapters whose text is the same but for whitespace."""

    near: bool = True
    """Keep one of the chapters that are nearly the same: other editions, digitisations and scripts. Without it they are
    not looked for, so that one may be trained on while another is held out."""

    threshold: Share = 0.5
    """Jaccard similarity of the sets of character 5-grams from which two chapters count as nearly the same; with 5 % of
    the characters changed it is about 0.6. Alphabets are compared by 8-grams, at the same rate of changes."""

    contained: Share = 0.75
    """Share of a chapter's n-grams found in one longer chapter from which it counts as contained there and goes."""

    script: Literal["", "hans", "hant"] = ""
    """Of editions that are alike in size and quality, keep the one in this script (simplified or traditional); empty
    for the script that most of the books are in."""

    max_share: Share = 0.5
    """The stage stops when deduplication would remove more than this share of the chapters: more likely a fault.
    Editions of one work that match chapter by chapter do not count."""

"""Which chapters are kept, and in which split: decided from ids and digests alone, never from text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novelray.corpus.dedup import ChapterKey, Duplicates, drop_duplicates
from novelray.corpus.heldout import heldout_digests
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection


@dataclass(frozen=True)
class Selection:
    """`splits`: chapter id → "train" or "heldout"; a removed duplicate is in none and stands in `duplicates`."""

    splits: dict[str, str]
    duplicates: Duplicates

    def in_split(self, split: str) -> list[ChapterKey]:
        """The chapters of one split, in order."""
        return [key for key in self.duplicates.kept if self.splits[key.chapter_id] == split]


def select(keys: Sequence[ChapterKey], section: CorpusSection, seed: int) -> Selection:
    """Deduplicate and hold out. Raises CorpusError when nothing is left to train on."""
    ordered = sorted(keys)
    if not ordered:
        raise CorpusError(
            "The books hold no chapter: there is nothing to train on.",
            f"Each chapter needs at least corpus.min_chapter_chars ({section.min_chapter_chars}) characters.",
        )
    duplicates = drop_duplicates(ordered, section.dedup.max_share) if section.dedup.exact else Duplicates(ordered, {})
    held = heldout_digests(duplicates.kept, ordered, section.heldout, seed)
    splits = {key.chapter_id: "heldout" if key.digest in held else "train" for key in duplicates.kept}
    if "train" not in splits.values():
        raise CorpusError(
            f"All {len(splits)} chapters are held out: there is nothing to train on.",
            "Lower corpus.heldout.share, or name fewer books in corpus.heldout.books.",
        )
    return Selection(splits, duplicates)

"""Paragraphs of a scene in another order. Dialogue stays together, a scene's first and last block stay in place."""

from __future__ import annotations

import random
from collections.abc import Sequence

from novelray.corpus.augment.paragraphs import blocks, join_paragraphs, split_paragraphs


def reorder(scenes: Sequence[str], blank: bool, distance: int, rng: random.Random) -> list[str]:
    """Each scene with its inner blocks moved by at most `distance` places; the same when nothing can move.

    The first scene begins at the chapter's first paragraph after its heading. Characters are the same, and as many.
    """
    return [_reordered(scene, blank, distance, rng) for scene in scenes]


def _reordered(scene: str, blank: bool, distance: int, rng: random.Random) -> str:
    paragraphs, gaps = split_paragraphs(scene, blank)
    groups = blocks(paragraphs)
    inner = groups[1:-1]
    if len(inner) < 2:
        return scene
    keys = [number + rng.random() * (distance + 1) for number in range(len(inner))]
    order = sorted(range(len(inner)), key=keys.__getitem__)
    if order == list(range(len(inner))):
        order = [1, 0, *order[2:]]
    moved = [groups[0], *(inner[i] for i in order), groups[-1]]
    return join_paragraphs([paragraphs[i] for group in moved for i in group], gaps)

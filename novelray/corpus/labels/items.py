"""The item behind a task or row that comes back from an annotation tool, and the checks that it is one of ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from novelray.corpus.labels.kinds import Item, piece_digest
from novelray.corpus.labels.offsets import Offsets

_CHAPTER = re.compile(r"[0-9a-f]{12}:\d{5,}")


@dataclass(frozen=True)
class Shown:
    """An item, its text as the tool has it, and the layer that was asked."""

    item: Item
    offsets: Offsets
    layer: str


def shown(row: Mapping[str, Any]) -> Shown | str:
    """The item in a row's columns, or why it is none."""
    text, chapter_id = row.get("text"), row.get("chapter_id")
    if not isinstance(text, str) or not isinstance(chapter_id, str) or not _CHAPTER.fullmatch(chapter_id):
        return "not a text that novelray exported"
    start, end, chars = (whole(row.get(name)) for name in ("start", "end", "chars"))
    digest = row.get("digest")
    if start is None or end is None or chars is None or not isinstance(digest, str):
        return "the columns start, end, chars and digest are not as novelray exported them"
    offsets = Offsets(text)
    if end - start != len(offsets.lf) or row.get("piece") != piece_digest(offsets.lf):
        return "the text is not as novelray exported it"
    corpus, layer = (value if isinstance(value, str) else "" for value in (row.get("corpus"), row.get("layer")))
    return Shown(Item(corpus, chapter_id, digest, chars, start, end, offsets.lf), offsets, layer)


def whole(value: Any) -> int | None:
    """A number that is not negative and whole, as JSON may have it, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if value >= 0 and value == value // 1 else None

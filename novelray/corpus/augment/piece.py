"""What a made piece is, from the moment it is made until it is written or rejected."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from novelray.corpus.schema import CHAPTERS
from novelray.recipe.augment import MethodName

METHOD_LETTERS: dict[MethodName, str] = {
    "back_translation": "b", "reorder": "r", "synonyms": "s", "synthetic": "w"
}  # fmt: skip
"""What a method's pieces have in their ids."""

MEASURES = pa.schema(
    [
        pa.field("origin", pa.string(), nullable=False),  # the method
        pa.field("source", pa.string(), nullable=False),  # chapter_id of the chapter it was made from
        pa.field("reason", pa.string(), nullable=False),  # why the piece is rejected; "" for a sound one
        pa.field("similarity", pa.float64()),  # cosine to the source; null: not measured
        pa.field(
            "copied", pa.float64()
        ),  # share of neighbouring paragraphs that stand so in the source; null: the same
        pa.field("seed", pa.string(), nullable=False),  # 16 hexadecimal digits
        pa.field("untranslated", pa.int32(), nullable=False),  # sentences left as they were
        pa.field("prompt", pa.large_string(), nullable=False),  # what a story goes on from
        pa.field("before", pa.string(), nullable=False),  # a short passage of the source
        pa.field("after", pa.string(), nullable=False),  # what became of it
        pa.field("sketch", pa.list_(pa.uint64()), nullable=False),  # of a story: n-grams to look for in the corpus
    ]
)
PIECES = pa.schema([*CHAPTERS, *(f for f in MEASURES if f.name not in CHAPTERS.names)])
"""A table of pieces: what stands in the corpus, and what was measured."""

INHERITED = ("book", "author", "genre", "volume", "title", "index", "language", "perspective", "labels")
"""Columns that a piece has from the chapter it was made from."""

STORY_INHERITED = ("book", "author", "genre", "index", "language")
"""Columns that a story has from the chapter that its prompt was made from."""

EXCERPT = 160  # characters


def piece_id(source: str, method: MethodName) -> str:
    """The id of a piece: its source's, the method's letter and a number; each method makes one piece of a chapter."""
    return f"{source}+{METHOD_LETTERS[method]}1"


def table_of(rows: list[dict[str, Any]]) -> pa.Table:
    """Pieces as a table. A column that a row says nothing about has null, or where there is no null the empty value."""
    columns = [pa.array([row.get(f.name, _empty(f)) for row in rows], f.type) for f in PIECES]
    return pa.table(columns, schema=PIECES)


def _empty(field: pa.Field) -> Any:
    if field.nullable:
        return None
    if pa.types.is_list(field.type) or pa.types.is_large_list(field.type):
        return []
    if pa.types.is_floating(field.type) or pa.types.is_integer(field.type):
        return 0
    return False if pa.types.is_boolean(field.type) else ""


def excerpts(before: str, after: str) -> tuple[str, str]:
    """A passage of the source and of the piece, from where they first differ."""
    low, high = 0, min(len(before), len(after))
    while low < high:  # the length of what they have in common
        middle = (low + high + 1) // 2
        low, high = (middle, high) if before[low:middle] == after[low:middle] else (low, middle - 1)
    start = max(0, low - EXCERPT // 4)
    start = max(start, before.rfind("\n", start, low) + 1)
    return before[start : start + EXCERPT], after[start : start + EXCERPT]

"""Which books deserve a person's look, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from novelray.corpus.report.html import mapping, number
from novelray.corpus.report.measured import arc_score

LEAST_CONFIDENCE = 0.5  # below it, a book's chapters may be cut at the wrong places
LEAST_KEPT = 0.7  # below it, more than licences and contents went
STYLE_TARGET = 0.15  # the guide's, where the recipe says nothing else
LEAST_CONTINUITY = 0.1  # of a story's arc; below it no thread runs through the chapters


def reasons(book: Mapping[str, Any], quality: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Why a book deserves a look, each a code and the value that led to it; `book`: its row of the report."""
    chars, chapters = number(book.get("chars")) or 0, number(book.get("chapters")) or 0
    kept = (number(book.get("kept_chars")) or 0) / chars if chars else 1.0
    confidence = number(book.get("confidence"))
    distance = number(book.get("style_distance"))
    style_target = number(quality.get("style_target")) or STYLE_TARGET
    arc, arc_target = arc_score(book), number(quality.get("arc_target"))
    continuity = number(mapping(book.get("arc")).get("continuity"))
    loose = continuity is not None and continuity < LEAST_CONTINUITY
    found: list[tuple[str, Any, bool]] = [
        ("no_chapters", 0, not chapters),
        ("one_piece", chapters, book.get("rule") == "none" and chapters > 0),
        ("low_confidence", confidence, confidence is not None and book.get("rule") != "none"
         and confidence < LEAST_CONFIDENCE),
        ("undecodable", book.get("replaced"), bool(book.get("replaced"))),
        ("torn_end", book.get("tail_bytes"), bool(book.get("tail_bytes"))),
        ("low_kept", round(kept, 4), kept < LEAST_KEPT),
        ("style", distance, distance is not None and distance > style_target),
        ("collection", continuity, loose),
        ("arc", arc, not loose and arc is not None and arc_target is not None and arc < arc_target),
    ]  # fmt: skip
    return [{"code": code, "value": value} for code, value, holds in found if holds]

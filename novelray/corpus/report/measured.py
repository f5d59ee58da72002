"""What the measures and gates say of the books and of the corpus, in the report's own shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from novelray.corpus.report.html import mapping, number, rows

NOT_OF_A_ROW = ("book", "chapters", "characters", "perspectives")
"""Fields of `quality.BookMeasure` that are no field of a book's row, or another thing there."""
BINS = 30


def row_fields(measured: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a book's row from what is known of it: metadata, `quality.BookMeasure`, or both in one table."""
    fields = {key: value for key, value in measured.items() if key not in NOT_OF_A_ROW}
    genre = fields.get("genre")
    if isinstance(genre, Mapping):
        fields["genre"], fields["genre_guessed"] = genre.get("name", ""), bool(genre.get("guessed"))
    return fields


def from_gates(gates: Any) -> dict[str, Any]:
    """The sections `objective`, `quality` and `growth` as far as the gates (`quality.judge`) have their facts."""
    by_name = {str(gate.get("name")): gate for gate in rows(gates)}
    volume = mapping(by_name.get("volume"))
    details = {name: mapping(gate.get("detail")) for name, gate in by_name.items()}
    found: dict[str, Any] = {"quality": {f"{name}_target": gate.get("target") for name, gate in by_name.items()}}
    for name in ("perspectives", "genres", "curated"):
        if details.get(name, {}).get("characters"):
            found["quality"][name] = details[name]["characters"]
    if volume:
        found["objective"] = {
            "name": details["volume"].get("objective"), "tokens": volume.get("value"), "wanted": volume.get("target"),
            "estimated": details["volume"].get("estimated", False), "enough": volume.get("passed"),
            "compensated": details["volume"].get("compensated", False),
        }  # fmt: skip
        found["growth"] = {"batches": details["volume"].get("growth", [])}
    return found


def histogram_of(lengths: Sequence[int]) -> dict[str, list[int]]:
    """Edges and counts of about BINS bins of a round width; the longest hundredth may go into the last one."""
    ordered = sorted(lengths)
    if not ordered:
        return {"edges": [], "counts": []}
    high = max(ordered[int(0.99 * (len(ordered) - 1))], 1)
    width = next(step * 10**k for k in range(12) for step in (1, 2, 5) if step * 10**k * BINS >= high)
    edges = [i * width for i in range(-(-high // width) + 1)]
    counts = [0] * (len(edges) - 1)
    for length in ordered:
        counts[min(length // width, len(counts) - 1)] += 1
    return {"edges": edges, "counts": counts}


def arc_score(book: Mapping[str, Any]) -> float | None:
    """The score of a book's story arc, 0 to 1, given as a number or as the `total` of a table with its parts."""
    arc = book.get("arc")
    return number(mapping(arc).get("total")) if isinstance(arc, Mapping) else number(arc)

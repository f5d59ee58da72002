"""The facts of the report as JSON. The page reads nothing else, so whatever it says stands in `report.json` too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

from novelray.corpus.report.counts import Quarantined
from novelray.corpus.report.look import reasons
from novelray.corpus.report.measured import from_gates, histogram_of, row_fields

if TYPE_CHECKING:  # this package only reads what they hold
    from novelray.corpus.book import BookReport
    from novelray.corpus.select import Selection


def build_report(
    books: Sequence[BookReport],
    quarantined: Sequence[Quarantined],
    same: Mapping[str, str],
    selection: Selection,
    by_book: Mapping[str, Mapping[str, Any]] | None = None,
    gates: Sequence[Any] = (),
    **sections: Any,
) -> dict[str, Any]:
    """`report.json`.

    From the arguments: books, totals of every change, where the characters went, duplicates with the copy that was
    kept, quarantine, splits, chapter lengths, and what the gates say of objective, quality and growth.

    `by_book`: by name, what else is known of a book (metadata, `quality.BookMeasure`). `gates`: of `quality.judge`.
    `sections` (examples, augment, labels, ...) join as they are, turned into plain JSON; keys of `duplicates` and
    `quality` among them join or replace those made here.
    """
    more = {key: plain(value) for key, value in sections.items()}
    judged = {"gates": plain(list(gates)), **from_gates(plain(list(gates)))}
    lengths = histogram_of([chars for chars, split in _columns(selection, "chars", "split") if split])
    quality = {**judged.pop("quality"), "chapter_chars": lengths, **(more.pop("quality", None) or {})}
    duplicates = more.pop("duplicates", None) or {}
    splits = {split: selection.counts(split) for split in ("train", "heldout")}
    rows = _book_rows(books, selection, plain(by_book or {}), quality)
    return {
        "books": rows,
        "changes": _sum(b.changes for b in books),
        "privacy": _sum(b.privacy for b in books),
        "removed_chars": _sum(b.removed_chars for b in books),
        "accounting": accounting(rows, splits),
        "languages": _sum(b.languages for b in books),
        "short_chapters": sum(b.short_chapters for b in books),
        "duplicates": {
            "chapters": _removed(selection),
            "files": [{"removed": r, "kept": k} for r, k in sorted(same.items())],
            "books": plain(selection.decision.books),
            "share": round(len(selection.decision.removed) / max(1, len(selection.chapters)), 6),
            **duplicates,
        },
        "quarantine": [plain(q) for q in quarantined],
        "look_at": [row["book"] for row in rows if row["look"]],
        "splits": splits,
        "quality": quality,
        **judged,
        **more,
    }


def accounting(books: Sequence[Mapping[str, Any]], splits: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Where the characters went: `read` is `kept` plus all of `removed` (negative: a change made the text longer)."""
    removed = Counter(_sum(book["removed_chars"] for book in books))
    kept = {split: splits[split]["chars"] for split in ("train", "heldout")}
    removed["duplicates"] = sum(book["duplicate_chars"] for book in books)
    removed["quality"] = sum(book["kept_chars"] for book in books) - sum(kept.values()) - removed["duplicates"]
    return {
        "read": sum(book["chars"] for book in books),
        "removed": {kind: chars for kind, chars in sorted(removed.items()) if chars},
        "kept": sum(kept.values()),
        **kept,
    }


def plain(value: Any) -> Any:
    """`value` with dataclasses, tuples, sets and numpy's numbers as what JSON knows."""
    if hasattr(value, "as_json"):
        return plain(value.as_json())
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value.tolist() if hasattr(value, "tolist") else value


def _book_rows(
    books: Sequence[BookReport], selection: Selection, further: Mapping[str, Any], quality: Mapping[str, Any]
) -> list[dict[str, Any]]:
    counts = {row["book"]: row for row in selection.per_book().to_pylist()}
    gone = _duplicate_chars(selection)
    rows = []
    for book in sorted(books, key=lambda b: b.book):
        row = {**book.as_json(), **row_fields(further.get(book.book, {}))}
        count = counts.get(book.book, {"removed": 0, "heldout": 0})
        row["duplicates"], row["heldout"] = count["removed"], count["heldout"]
        row["duplicate_chars"] = gone[book.book]
        row["look"] = [*reasons(row, quality), *row.get("look", [])]
        rows.append(row)
    return rows


def _duplicate_chars(selection: Selection) -> Counter[str]:
    gone: Counter[str] = Counter()
    for book, chars, split in _columns(selection, "book", "chars", "split"):
        gone[book] += 0 if split else chars
    return gone


def _columns(selection: Selection, *names: str) -> Iterator[tuple[Any, ...]]:
    """Some columns of the chapters, row by row."""
    return zip(*(selection.chapters.column(name).to_pylist() for name in names), strict=True)


def _removed(selection: Selection) -> list[dict[str, Any]]:
    """Removed chapters with the chapter for whose sake each went."""
    removed = selection.decision.removed.rename_columns({"chapter_id": "removed"}).to_pylist()
    return [{**row, "similarity": round(row["similarity"], 4), "share": round(row["share"], 4)} for row in removed]


def _sum(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items()))

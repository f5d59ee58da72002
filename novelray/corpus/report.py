"""The corpus report, for people and programs: what was read, what was changed, what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from novelray.corpus.book import BookReport
from novelray.corpus.select import Selection
from novelray.errors import CorpusError

LEAST_CONFIDENCE = 0.5  # below it, a book's chapters deserve a look


@dataclass(frozen=True)
class Quarantined:
    """A book that was set aside."""

    book: str
    file: str
    sha256: str
    reason: str


def check_quarantine(quarantined: Sequence[Quarantined], total: int, max_share: float) -> None:
    """Raise CorpusError when too many books, or all of them, could not be read."""
    if not quarantined or (len(quarantined) <= max_share * total and len(quarantined) < total):
        return
    first = "; ".join(f"{q.file}: {q.reason}" for q in quarantined[:5])
    raise CorpusError(
        f"{len(quarantined)} of {total} books cannot be read, more than corpus.max_quarantine ({max_share:.0%}). "
        f"{first}",
        "Mend or remove these files, set corpus.read.encoding, or raise corpus.max_quarantine.",
    )


def build_report(
    books: Sequence[BookReport], quarantined: Sequence[Quarantined], same: Mapping[str, str], selection: Selection
) -> dict[str, Any]:
    """`report.json`: books, totals of every change, duplicates with the copy that was kept, quarantine and splits."""
    splits = {split: _split(selection, split) for split in ("train", "heldout")}
    held = Counter(key.book for key in selection.in_split("heldout"))
    kept = Counter(key.book for key in selection.duplicates.kept)
    return {
        "books": [
            {**b.as_json(), "duplicates": b.chapters - kept[b.book], "heldout": held[b.book]}
            for b in sorted(books, key=lambda b: b.book)
        ],
        "changes": _sum(b.changes for b in books),
        "removed_chars": _sum(b.removed_chars for b in books),
        "languages": _sum(b.languages for b in books),
        "short_chapters": sum(b.short_chapters for b in books),
        "duplicates": {
            "chapters": [{"removed": r, "kept": k} for r, k in sorted(selection.duplicates.removed.items())],
            "files": [{"removed": r, "kept": k} for r, k in sorted(same.items())],
        },
        "quarantine": [vars(q) for q in quarantined],
        "look_at": [b.book for b in books if b.rule != "none" and b.confidence < LEAST_CONFIDENCE],
        "splits": splits,
    }


def counts_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """The figures that go into the artifact's manifest."""
    train, heldout = report["splits"]["train"], report["splits"]["heldout"]
    return {
        "books": len(report["books"]),
        "chapters": train["chapters"] + heldout["chapters"],
        "chars": train["chars"] + heldout["chars"],
        "train_chapters": train["chapters"],
        "heldout_chapters": heldout["chapters"],
        "duplicates": len(report["duplicates"]["chapters"]),
        "quarantined": len(report["quarantine"]),
    }


def summary(counts: Mapping[str, Any]) -> str:
    """One line: what the corpus holds."""
    held = [_number(counts["books"], "book"), _number(counts["chapters"], "chapter"), f"{counts['chars']:,} characters"]
    parts = [", ".join(held), f"{_number(counts['heldout_chapters'], 'chapter')} held out"]
    parts += [f"{_number(counts['duplicates'], 'duplicate')} removed"] if counts["duplicates"] else []
    parts += [f"{_number(counts['quarantined'], 'book')} set aside"] if counts["quarantined"] else []
    return "; ".join(parts)


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"


def _split(selection: Selection, split: str) -> dict[str, int]:
    keys = selection.in_split(split)
    return {"chapters": len(keys), "chars": sum(k.chars for k in keys), "books": len({k.book for k in keys})}


def _sum(tables: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for table in tables:
        total.update(table)
    return dict(sorted(total.items()))

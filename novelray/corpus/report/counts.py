"""What the corpus holds in a few figures, and the books that were set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from novelray.errors import CorpusError


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

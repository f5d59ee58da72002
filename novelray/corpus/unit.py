"""One file of the shelf to what the corpus needs of it: a part with its chapters, their sketches, and an outcome.

A unit depends on the file, what is known of it and the settings that change its text, and on nothing else on the shelf.
So what was made once is found again under its key: by a build that goes on after a crash, and by one with another book.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow.parquet as pq

from novelray.corpus.book import BookReport, Chapter, Origin, chapters_of, without
from novelray.corpus.clean.tables import table_digests
from novelray.corpus.dedup import SKETCH, sketch_table
from novelray.corpus.files import Group, PartWriter
from novelray.corpus.privacy import people_of, protect_meta
from novelray.corpus.quality import left_out, measure
from novelray.corpus.read import BookMeta, BookText, Unreadable, read_books
from novelray.corpus.report.passages import passages_of
from novelray.corpus.shelf import Book
from novelray.recipe.corpus import CorpusSection
from novelray.recipe.quality import QualitySection
from novelray.storage.artifacts import digest_of

UNIT_VERSION = 3
CHAPTERS_FILE, SKETCHES_FILE, OUTCOME_FILE = "chapters.arrow", "sketches.parquet", "outcome.json"
_SECTIONS = ("read", "clean", "privacy", "quality", "min_chapter_chars", "max_chapter_chars")


@dataclass(frozen=True)
class Outcome:
    """What became of a file: reports and measures of its books, what was set aside, and the groups of its part."""

    books: list[BookReport]
    measures: list[dict[str, Any]]  # of the books, as novelray.corpus.quality gives them; none when not measured
    aside: list[tuple[str, str]]  # (name inside the file or "", reason)
    groups: list[Group]

    def as_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False).encode()

    @classmethod
    def of_json(cls, data: bytes) -> Outcome:
        """Raises ValueError, KeyError or TypeError when `data` is not what `as_json` gives."""
        found = json.loads(data)
        return cls(
            [BookReport(**b) for b in found["books"]], found["measures"],
            [(member, reason) for member, reason in found["aside"]], [Group(**g) for g in found["groups"]],
        )  # fmt: skip


def unit_key(book: Book, section: CorpusSection, seed: int) -> str:
    """What the unit of a file is found by. Raises CorpusError for a table of corrections that cannot be read."""
    identity = section.identity()
    settings = {name: identity[name] for name in _SECTIONS} | {"tables": table_digests(section.clean)}
    return digest_of([UNIT_VERSION, book.name, book.file, book.sha256, asdict(book.meta), settings, seed])[:24]


def build_unit(path: Path, book: Book, section: CorpusSection, seed: int, out: Path) -> None:
    """Write a unit's files into the folder `out`, one book in memory at a time. Never fails because of the file."""
    outcome = Outcome([], [], [], [])
    with (
        PartWriter(out / CHAPTERS_FILE) as part,
        pq.ParquetWriter(out / SKETCHES_FILE, SKETCH, compression="none") as sketches,
    ):
        for text in _texts(path, book, section):
            if text.problem:
                outcome.aside.append((text.member, text.problem))
                continue
            meta = protect_meta(text.meta, section.privacy, seed)
            name = _name(book, text, meta, {b.book for b in outcome.books})
            origin = Origin(name, book.file, book.sha256)
            people = people_of(text.meta)
            chapters, report = chapters_of(replace(text, meta=meta), origin, section, people, seed)
            chapters, report = _measured(chapters, report, meta, section.quality, outcome)
            outcome.books.append(report)
            part.add(chapters)
            if chapters:
                sketches.write_table(sketch_table(chapters))
    outcome.groups.extend(part.groups)
    (out / OUTCOME_FILE).write_bytes(outcome.as_json())


def _measured(
    chapters: list[Chapter], report: BookReport, meta: BookMeta, section: QualitySection, outcome: Outcome
) -> tuple[list[Chapter], BookReport]:
    """Chapters with their measures, without those that the recipe's least arc leaves out."""
    measured = measure(chapters, meta, section)
    found = measured.as_json()
    gone = left_out(found, section)
    of_chapters = found.pop("chapters")  # they stand in the chapters' columns; the driver has no need of them
    outcome.measures.append(found | {"chapters": [], "passages": passages_of(chapters, measured.chapters)})
    filled = [
        replace(chapter, arc=m["arc"], style_distance=m["style_distance"], perspective=m["perspective"])
        for chapter, m in zip(chapters, of_chapters, strict=True)
    ]
    return [c for c in filled if c.chapter_id not in gone], without(report, [c for c in filled if c.chapter_id in gone])


def _texts(path: Path, book: Book, section: CorpusSection) -> Iterator[BookText]:
    """The books of a file; a file that cannot be read is a book with a problem and no text."""
    try:
        yield from read_books(path, book.file, book.meta, section.read)
    except Unreadable as error:
        yield _unread(error.reason)
    except PermissionError:
        yield _unread("no permission to read the file")
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        # A library stumbled over what is in the file. One bad book is never fatal alone; the reason says what happened.
        yield _unread(f"reading it failed with {type(error).__name__}: {str(error)[:200]}")


def _unread(reason: str) -> BookText:
    return BookText(problem=reason)


def _name(book: Book, text: BookText, meta: BookMeta, taken: set[str]) -> str:
    """The file's name on the shelf, and for one of several books its title as well."""
    if not text.member:
        return book.name
    name = first = f"{book.name}/{meta.title or PurePosixPath(text.member).stem or text.member}"
    number = 2
    while name in taken:
        name, number = f"{first}~{number}", number + 1
    return name

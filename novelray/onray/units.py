"""Units on Ray Data: one per file of the shelf, each made once and found again by what it was made from.

    parts/corpus/<key>/chapters.arrow, sketches.parquet       the file's chapters and their sketches
    parts/corpus/<key>/outcome.json                           written last: without it there is no unit

The folder `parts` holds nothing that cannot be made again from the books.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from novelray.corpus.shelf import SHARED_HINT, Book, fetch
from novelray.corpus.unit import CHAPTERS_FILE, OUTCOME_FILE, SKETCHES_FILE, Outcome, build_unit, unit_key
from novelray.errors import CorpusError
from novelray.onray.data import Row, map_rows
from novelray.recipe import Recipe
from novelray.recipe.corpus import CorpusSection
from novelray.storage import Store
from novelray.telemetry.bar import counting_bar

PARTS = "parts/corpus"
TASK_BYTES = 4 << 20  # of books that one task reads: enough to hide what starting a task costs
READERS = 16  # outcomes read at once


@dataclass(frozen=True)
class Unit:
    """A file of the shelf and its unit's folder in the store."""

    book: Book
    folder: str

    @property
    def chapters(self) -> str:
        return f"{self.folder}/{CHAPTERS_FILE}"

    @property
    def sketches(self) -> str:
        return f"{self.folder}/{SKETCHES_FILE}"


def make_units(recipe: Recipe, books: Sequence[Book], store: Store) -> tuple[list[Unit], list[Outcome], int]:
    """The unit of each readable book, in order, with what became of it, and how many had to be made now.

    Raises CorpusError when a book changes or goes away while it is read, and StorageError.
    """
    units = [Unit(b, f"{PARTS}/{unit_key(b, recipe.corpus, recipe.seed)}") for b in books if not b.problem]
    made = {entry.path for entry in store.files(PARTS)}
    missing = [unit for unit in units if f"{unit.folder}/{OUTCOME_FILE}" not in made]
    _make(missing, recipe, store)
    with ThreadPoolExecutor(READERS) as pool:
        outcomes = list(pool.map(lambda unit: Outcome.of_json(store.read(f"{unit.folder}/{OUTCOME_FILE}")), units))
    return units, outcomes, len(missing)


def _make(units: Sequence[Unit], recipe: Recipe, store: Store) -> None:
    groups = list(_groups(units))
    rows: list[Row] = [{"units": [asdict(unit) for unit in group]} for group in groups]
    options = {"store": store, "section": recipe.corpus, "seed": recipe.seed, "endpoint": recipe.storage.endpoint}
    with counting_bar("corpus", len(units), "files read") as advance:
        map_rows(rows, _make_group, options, "Reading the books", done=lambda number: advance(len(groups[number])))


def _groups(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    """Units for one task each; a large file is alone in its task, and comes first, since it takes the longest."""
    group: list[Unit] = []
    size = 0
    for unit in sorted(units, key=lambda u: -u.book.size):
        if group and size + unit.book.size > TASK_BYTES:
            yield group
            group, size = [], 0
        group.append(unit)
        size += unit.book.size
    if group:
        yield group


def _make_group(row: Row, store: Store, section: CorpusSection, seed: int, endpoint: str | None) -> Row:
    for one in row["units"]:
        _make_one(Unit(Book.of_json(one["book"]), one["folder"]), store, section, seed, endpoint)
    return {}


def _make_one(unit: Unit, store: Store, section: CorpusSection, seed: int, endpoint: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="novelray-unit-") as name:
        folder = Path(name)
        try:
            path = fetch(unit.book, folder, endpoint)
        except FileNotFoundError:
            raise CorpusError(f"The book {unit.book.uri} is not there for the worker that should read it.",
                              SHARED_HINT) from None  # fmt: skip
        build_unit(path, unit.book, section, seed, folder)
        if _digest(path) != unit.book.sha256:  # after reading: what was read is what the digest is of
            raise CorpusError(f"The book {unit.book.uri} was changed while it was read.", "Run the same command again.")
        for file in (CHAPTERS_FILE, SKETCHES_FILE, OUTCOME_FILE):
            store.put(folder / file, f"{unit.folder}/{file}")


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

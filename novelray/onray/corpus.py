"""The corpus stage on Ray Data: one task per book reads, cleans and splits; the driver sees only ids and digests.

Two passes. The first writes each book's chapters as a part and hands back keys; the driver finds duplicates and
chooses what is held out; the second joins parts into the chapter files. Text is neither shuffled nor collected.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence

from novelray.corpus.book import BookReport, chapters_of
from novelray.corpus.dedup import ChapterKey
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.files import FilePlan, plan_files, write_file, write_part
from novelray.corpus.report import Quarantined, build_report, check_quarantine, counts_of, summary
from novelray.corpus.select import Selection, select
from novelray.corpus.shelf import SHARED_HINT, Book, Shelf, find_books, read_bytes
from novelray.errors import CorpusError, NovelRayError
from novelray.onray.data import Row, map_rows
from novelray.recipe import Recipe
from novelray.recipe.corpus import CorpusSection
from novelray.storage import Artifact, Artifacts, Draft, Plan, Store

STAGE_VERSION = 1

Say = Callable[[str], None]


def build_corpus(recipe: Recipe, artifacts: Artifacts, say: Say) -> Artifact:
    """Make the corpus of a recipe, or find the one made before from the same books and section.

    Raises CorpusError (missing, unreadable or duplicate books past the set shares, nothing to train on) and
    StorageError. Nothing half-written stays behind.
    """
    shelf = find_books(recipe.corpus.books, recipe.storage.endpoint)
    plan = plan_of(recipe, shelf)
    found = artifacts.find(plan.id)
    if found is not None:
        say(f"corpus: nothing changed, using {found.id} ({summary(found.counts)})")
        return found
    draft = artifacts.begin(plan)
    try:
        return _build(recipe, shelf, draft, say)
    except BaseException:
        with contextlib.suppress(NovelRayError):
            draft.discard()
        raise


def plan_of(recipe: Recipe, shelf: Shelf) -> Plan:
    """What the corpus of a recipe is made from: the books' contents and the section, wherever they lie."""
    inputs = {book.name: book.digest for book in shelf.books}
    return Plan("corpus", STAGE_VERSION, inputs, {**recipe.corpus.identity(), "seed": recipe.seed})


def _build(recipe: Recipe, shelf: Shelf, draft: Draft, say: Say) -> Artifact:
    from novelray.onray import session

    session.start()
    store, parts = draft.artifacts.store, f"{draft.prefix}/.parts"
    outcomes = _split_books(shelf.books, store, parts, recipe)
    books, quarantined = _sort_out(shelf.books, outcomes)
    for book in quarantined:
        say(f"corpus: set aside {book.file}: {book.reason}")
    check_quarantine(quarantined, len(shelf.books), recipe.corpus.max_quarantine)
    selection = select([key for o in outcomes for key in _keys(o)], recipe.corpus, recipe.seed)
    _write_files(books, selection, draft, parts)
    store.delete(parts)
    report = build_report(books, quarantined, shelf.same, selection)
    draft.write_json("report.json", report)
    lines = "".join(json.dumps(vars(q), ensure_ascii=False) + "\n" for q in quarantined)
    draft.write("quarantine.jsonl", lines.encode())
    artifact = draft.commit(counts_of(report))
    say(f"corpus: {summary(artifact.counts)} → {artifact.id}")
    return artifact


def _split_books(books: Sequence[Book], store: Store, parts: str, recipe: Recipe) -> list[Row]:
    """The first pass: an outcome per book, in the order of `books`."""
    options = {"store": store, "parts": parts, "section": recipe.corpus, "endpoint": recipe.storage.endpoint}
    return map_rows([vars(book) for book in books], _split_one, options, "Reading the books")


def _split_one(row: Row, store: Store, parts: str, section: CorpusSection, endpoint: str | None) -> Row:
    """Read, clean, split and write one book. What went wrong is data, since one bad book is never fatal alone."""
    blank: Row = {"status": "ok", "detail": "", "ids": [], "digests": [], "chars": []}
    if row["problem"]:
        return {**blank, "status": "quarantined", "detail": row["problem"]}
    try:
        data = read_bytes(row["uri"], endpoint)
    except FileNotFoundError:
        return {**blank, "status": "missing", "detail": row["uri"]}
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return {**blank, "status": "changed", "detail": row["uri"]}
    file = row["uri"].rpartition("/")[2]
    try:
        chapters, report = chapters_of(data, row["name"], file, row["sha256"], section)
    except Unreadable as error:
        return {**blank, "status": "quarantined", "detail": error.reason}
    write_part(store, _part(parts, row["sha256"]), chapters)
    keys = {"ids": [c.chapter_id for c in chapters], "digests": [c.digest for c in chapters]}
    return {**blank, "detail": report.as_json(), **keys, "chars": [len(c.text) for c in chapters]}


def _part(parts: str, sha256: str) -> str:
    return f"{parts}/{sha256}.parquet"


def _sort_out(books: Sequence[Book], outcomes: list[Row]) -> tuple[list[BookReport], list[Quarantined]]:
    """Reports of the books that were read, and the books that were set aside."""
    reports, quarantined = [], []
    for book, outcome in zip(books, outcomes, strict=True):
        status, detail = outcome["status"], outcome["detail"]
        if status == "ok":
            reports.append(BookReport(**detail))
            outcome["book"] = book.name
        elif status == "quarantined":
            quarantined.append(Quarantined(book.name, book.file, book.sha256, detail))
        elif status == "missing":
            raise CorpusError(f"The book {detail} is not there for the worker that should read it.", SHARED_HINT)
        else:
            raise CorpusError(f"The book {detail} was changed while it was read.", "Run the same command again.")
    return reports, quarantined


def _keys(outcome: Row) -> list[ChapterKey]:
    columns = zip(outcome["ids"], outcome["digests"], outcome["chars"], strict=True)
    return [ChapterKey(outcome["book"], index, i, digest, chars) for index, (i, digest, chars) in enumerate(columns)]


def _write_files(books: Sequence[BookReport], selection: Selection, draft: Draft, parts: str) -> None:
    """The second pass: join parts into chapter files, each task with the decisions for its own chapters only."""
    splits: dict[str, dict[str, str]] = {}
    for key in selection.duplicates.kept:
        splits.setdefault(key.book, {})[key.chapter_id] = selection.splits[key.chapter_id]
    ordered = [b for b in sorted(books, key=lambda b: b.book) if b.book in splits]
    owner = {_part(parts, b.sha256): b.book for b in ordered}
    plans = plan_files(f"{draft.prefix}/chapters", [(_part(parts, b.sha256), b.kept_chars) for b in ordered])
    rows = [
        {
            "path": plan.path,
            "parts": plan.parts,
            "splits": {k: v for part in plan.parts for k, v in splits[owner[part]].items()},
        }
        for plan in plans
    ]
    written = map_rows(rows, _write_one, {"store": draft.artifacts.store}, "Writing the chapters")
    assert sum(w["rows"] for w in written) == len(selection.duplicates.kept), "a chapter was lost"


def _write_one(row: Row, store: Store) -> Row:
    return {"rows": write_file(store, FilePlan(row["path"], tuple(row["parts"])), row["splits"])}

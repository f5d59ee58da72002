"""The corpus stage on Ray Data: one task per book reads, cleans and splits; the driver sees only ids and digests.

Two passes. The first writes each book's chapters as a part and hands back keys; the driver finds duplicates and
chooses what is held out; the second joins parts into the chapter files. Text is neither shuffled nor collected.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from novelray.corpus.book import BookReport, chapters_of
from novelray.corpus.dedup import ChapterKey
from novelray.corpus.encodings import Unreadable, known_encoding
from novelray.corpus.files import FilePlan, plan_files, write_file, write_part
from novelray.corpus.report import Quarantined, build_report, check_quarantine, counts_of, summary
from novelray.corpus.select import Selection, select
from novelray.corpus.shelf import SHARED_HINT, Book, Shelf, find_books, read_bytes
from novelray.errors import CorpusError, NovelRayError
from novelray.recipe import Recipe
from novelray.recipe.corpus import CorpusSection
from novelray.storage import Artifact, Artifacts, Draft, Plan, Store

STAGE_VERSION = 1
MOST_TASKS = 1024  # blocks that a long shelf is divided into

Say = Callable[[str], None]


def build_corpus(recipe: Recipe, artifacts: Artifacts, say: Say) -> Artifact:
    """Make the corpus of a recipe, or find the one made before from the same books and section.

    Raises CorpusError (missing, unreadable or duplicate books past the set shares, nothing to train on) and
    StorageError. Nothing half-written stays behind.
    """
    if not known_encoding(recipe.corpus.encoding):
        raise CorpusError(
            f"corpus.encoding {recipe.corpus.encoding!r} is no encoding.", "Use auto, utf-8, gb18030, big5, ..."
        )
    shelf = find_books(recipe.corpus.books, recipe.storage.endpoint)
    plan = Plan(
        "corpus", STAGE_VERSION,
        inputs={book.name: book.digest for book in shelf.books},
        section={**recipe.corpus.identity(), "seed": recipe.seed},
    )  # fmt: skip
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


def _split_books(books: Sequence[Book], store: Store, parts: str, recipe: Recipe) -> list[dict[str, Any]]:
    """The first pass: an outcome per book, in the order of `books`."""
    rows = [{**vars(book), "number": number} for number, book in enumerate(books)]
    options = {"store": store, "parts": parts, "section": recipe.corpus, "endpoint": recipe.storage.endpoint}
    outcomes = sorted(_map_rows(rows, _split_task, options), key=lambda o: o["number"])
    assert len(outcomes) == len(books), "Ray Data lost a book"
    return outcomes


def _split_task(
    batch: pa.Table, store: Store, parts: str, section: CorpusSection, endpoint: str | None
) -> dict[str, list[Any]]:
    outcomes = [_split_one(Row(row), store, parts, section, endpoint) for row in batch.to_pylist()]
    return {name: [outcome[name] for outcome in outcomes] for name in outcomes[0]}


Row = dict[str, Any]


def _split_one(row: Row, store: Store, parts: str, section: CorpusSection, endpoint: str | None) -> Row:
    """Read, clean, split and write one book. What went wrong is data, since one bad book is never fatal alone."""
    blank: Row = {"number": row["number"], "status": "ok", "detail": "", "ids": [], "digests": [], "chars": []}
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
    detail = json.dumps(report.as_json(), ensure_ascii=False)
    return {**blank, "detail": detail, **keys, "chars": [len(c.text) for c in chapters]}


def _part(parts: str, sha256: str) -> str:
    return f"{parts}/{sha256}.parquet"


def _sort_out(books: Sequence[Book], outcomes: list[Row]) -> tuple[list[BookReport], list[Quarantined]]:
    """Reports of the books that were read, and the books that were set aside."""
    reports, quarantined = [], []
    for book, outcome in zip(books, outcomes, strict=True):
        status, detail = outcome["status"], outcome["detail"]
        if status == "ok":
            reports.append(BookReport(**json.loads(detail)))
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
            "parts": list(plan.parts),
            "splits": json.dumps({k: v for part in plan.parts for k, v in splits[owner[part]].items()}),
        }
        for plan in plans
    ]
    written = _map_rows(rows, _write_task, {"store": draft.artifacts.store})
    assert sum(w["rows"] for w in written) == len(selection.duplicates.kept), "Ray Data lost a chapter"


def _write_task(batch: pa.Table, store: Store) -> dict[str, list[int]]:
    rows = batch.to_pylist()
    return {"rows": [write_file(store, FilePlan(r["path"], tuple(r["parts"])), json.loads(r["splits"])) for r in rows]}


def _map_rows(rows: list[Row], task: Callable[..., Any], options: dict[str, Any]) -> list[Row]:
    """Run `task` on each row as a Ray Data task and collect the small rows that it returns, in any order."""
    import ray

    quiet_ray_data()
    dataset = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_TASKS))
    mapped = dataset.map_batches(
        task, batch_size=1, batch_format="pyarrow", compute=ray.data.TaskPoolStrategy(), fn_kwargs=options
    )
    try:
        return list(mapped.take_all())
    except Exception as error:
        raise our_error(error) or error from None


def quiet_ray_data() -> None:
    """No progress bars and no notes on each execution: the stage says itself what it did."""
    import ray

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)


def our_error(error: BaseException | None) -> NovelRayError | None:
    """The error of our family that a task raised, found inside what Ray wrapped around it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        inner = getattr(error, "cause", None)
        if isinstance(inner, NovelRayError):
            return inner
        if type(error).__module__.startswith("novelray") and isinstance(error, NovelRayError):
            return error
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return None

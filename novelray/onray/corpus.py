"""The corpus stage on Ray Data: tasks handle text, the driver sees ids, digests and counts.

    units        one per file of the shelf: read, clean, split, sketch, measure (onray/units.py)
    duplicates   found from the sketches (onray/dedup.py); with them the splits
    chapters     the units' chapters joined into the corpus's files
    augmented    text made from training chapters (onray/augment.py)
    report       all of it in figures, as JSON and as a page

No text is shuffled: a chapter goes from its file to its unit, and from there to its place in the corpus.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from novelray import __version__
from novelray.corpus.book import BookReport
from novelray.corpus.changes import changes_of, most_changed
from novelray.corpus.clean.tables import table_digests
from novelray.corpus.dedup import BookFacts, books_of, decide
from novelray.corpus.files import Chosen, FilePlan, plan_files, write_file
from novelray.corpus.labels import (
    Attached,
    Known,
    attach,
    check_label_files,
    digest_of_files,
    labels_of,
    read_files,
)
from novelray.corpus.quality import check_gates, judge, lines
from novelray.corpus.report import (
    Quarantined,
    build_report,
    check_quarantine,
    counts_of,
    merge_passages,
    page,
    shown_changes,
    summary,
)
from novelray.corpus.select import Selection, select
from novelray.corpus.shelf import Book, Shelf, fetch, find_books
from novelray.corpus.unit import Outcome
from novelray.errors import NovelRayError
from novelray.onray.augment import augment, augment_inputs
from novelray.onray.data import Row, map_rows
from novelray.onray.dedup import near_pairs
from novelray.onray.units import Unit, make_units
from novelray.recipe import Recipe
from novelray.recipe.corpus import CorpusSection
from novelray.storage import Artifact, Artifacts, Draft, Plan, Store
from novelray.telemetry.bar import counting_bar

STAGE_VERSION = 2
AUGMENT_PARTS = "parts/augment"
LETTERS = {"train": "t", "heldout": "h", "": "-"}

Say = Callable[[str], None]


def build_corpus(recipe: Recipe, artifacts: Artifacts, say: Say) -> Artifact:
    """Make the corpus of a recipe, or find the one made before from the same books and section.

    Raises CorpusError (missing, unreadable or duplicate books past the set shares, a gate that stops the stage, nothing
    to train on) and StorageError. Of the artifact nothing half-written stays behind; units that are done stay.
    """
    shelf = find_books(recipe.corpus.books, recipe.storage.endpoint)
    plan = plan_of(recipe, shelf, artifacts)
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


def plan_of(recipe: Recipe, shelf: Shelf, artifacts: Artifacts) -> Plan:
    """What the corpus of a recipe is made from: the books' contents, what is known of them, and the section."""
    files = read_files(recipe.corpus.labels.files, recipe.storage.endpoint)
    tables = {f"clean.{key}": digest for key, digest in table_digests(recipe.corpus.clean).items()}
    content = {"labels": digest_of_files(files), **tables, **augment_inputs(recipe, artifacts)}
    section = {
        **recipe.corpus.identity(), "seed": recipe.seed, "objective": recipe.plan.objective,
        "known": {book.name: book.known() for book in shelf.books if book.known()},
        "files": {name: digest for name, digest in content.items() if digest},
    }  # fmt: skip
    return Plan("corpus", STAGE_VERSION, {book.name: book.digest for book in shelf.books}, section)


def _build(recipe: Recipe, shelf: Shelf, draft: Draft, say: Say) -> Artifact:
    from novelray.onray import session

    session.start()
    store, section = draft.artifacts.store, recipe.corpus
    units, outcomes, made = make_units(recipe, shelf.books, store)
    if 0 < made < len(units):
        say(f"corpus: {len(units) - made:,} of {len(units):,} files were read by an earlier build")
    books = [report for outcome in outcomes for report in outcome.books]
    quarantined = _set_aside(shelf.books, units, outcomes)
    for one in quarantined:
        say(f"corpus: set aside {one.file}: {one.reason}")
    check_quarantine(quarantined, len(books) + len(quarantined), section.max_quarantine)

    with ThreadPoolExecutor(1) as beside:  # the one has work for the workers, the other for this process
        changes = beside.submit(_changes, recipe, units, outcomes)
        keys, selection = _choose(recipe, units, books, draft)
    measures = [measure for outcome in outcomes for measure in outcome.measures]
    gates = judge(measures, _volumes(selection), section.quality, recipe.plan.objective, section.quality.parameters_b)
    check_gates(gates, section.quality)
    labels = _labels(recipe, keys, say)
    files = _write_files(units, outcomes, selection, labels.by_chapter, draft)
    made_up = augment(
        store, files, f"{draft.prefix}/augmented", recipe, say, parts=AUGMENT_PARTS, artifacts=draft.artifacts
    )
    report = build_report(
        books, quarantined, shelf.same, selection, {m["book"]: m for m in measures}, gates, name=recipe.name,
        novelray=__version__, augment=made_up, labels=labels.report if section.labels.layers else None,
        excerpts=merge_passages(_kept_passages(measures, selection)), heldout=_heldout(recipe, selection),
        examples={"changes": changes.result()},
        duplicates={"threshold": section.dedup.threshold, "max_share": section.dedup.max_share},
    )  # fmt: skip
    _write_report(report, quarantined, labels, draft)
    artifact = draft.commit(counts_of(report))
    for line in lines([gate for gate in gates if gate.passed is False]):  # the report has them all
        say(f"corpus: {line}")
    say(f"corpus: {summary(artifact.counts)} → {artifact.id}")
    say(f"corpus: the report is {artifact.uri}/report.html")
    return artifact


def _set_aside(books: Sequence[Book], units: Sequence[Unit], outcomes: Sequence[Outcome]) -> list[Quarantined]:
    """What could not be read: files, and books inside files."""
    files = [Quarantined(b.name, b.file, b.sha256, b.problem) for b in books if b.problem]
    inside = [
        Quarantined(unit.book.name, f"{unit.book.file}/{member}" if member else unit.book.file, unit.book.sha256, why)
        for unit, outcome in zip(units, outcomes, strict=True)
        for member, why in outcome.aside
    ]
    return files + inside


def _choose(
    recipe: Recipe, units: Sequence[Unit], books: Sequence[BookReport], draft: Draft
) -> tuple[pa.Table, Selection]:
    """Duplicates and splits, from the sketches."""
    store, work = draft.artifacts.store, f"{draft.prefix}/.work"
    keys, pairs = near_pairs(store, [unit.sketches for unit in units], recipe.corpus.dedup, work)
    store.delete(work)
    facts = [BookFacts(b.book, b.confidence, b.replaced, b.curated) for b in books]
    return keys, select(keys, decide(keys, pairs, facts, recipe.corpus.dedup), recipe.corpus, recipe.seed)


def _volumes(selection: Selection) -> dict[str, int]:
    """Characters of training text by book."""
    train = selection.chapters.filter(pc.field("split") == "train")
    names, book = books_of(train)
    chars = np.bincount(book, train.column("chars").to_numpy(), len(names))
    return dict(zip(names, chars.astype(int).tolist(), strict=True))


def _heldout(recipe: Recipe, selection: Selection) -> dict[str, Any]:
    chapters = selection.chapters.filter(pc.field("split") == "heldout")
    held = recipe.corpus.heldout
    return {"by": held.by, "share": held.share, "seed": recipe.seed,
            "books": pc.unique(chapters.column("book")).to_pylist() if held.by == "book" else []}  # fmt: skip


def _kept_passages(measures: Sequence[Mapping[str, Any]], selection: Selection) -> Iterator[dict[str, Any]]:
    """Each book's passages without those of chapters that went as duplicates."""
    for measured in measures:
        kept = selection.splits(measured["book"])
        yield {column: [p for p in found if p["chapter_id"] in kept] for column, found in measured["passages"].items()}


def _changes(recipe: Recipe, units: Sequence[Unit], outcomes: Sequence[Outcome]) -> list[Row]:
    """Examples of what cleaning changed, from the files that it changed the most."""
    places = most_changed((unit.book, outcome.books) for unit, outcome in zip(units, outcomes, strict=True))
    rows: list[Row] = [{"book": asdict(units[place].book), "name": outcomes[place].books[0].book} for place in places]
    options = {"section": recipe.corpus, "seed": recipe.seed, "endpoint": recipe.storage.endpoint}
    found = map_rows(rows, _changes_in, options, "Looking for examples of changes")
    return [example for row in found for example in row["examples"]]


def _changes_in(row: Row, section: CorpusSection, seed: int, endpoint: str | None) -> Row:
    book = Book.of_json(row["book"])
    with tempfile.TemporaryDirectory(prefix="novelray-changes-") as folder:
        diff = changes_of(fetch(book, Path(folder), endpoint), book, section, masked=True, key=seed)
        return {"examples": shown_changes(diff, row["name"])}


def _labels(recipe: Recipe, keys: pa.Table, say: Say) -> Attached:
    section = recipe.corpus.labels
    labels = labels_of(read_files(section.files, recipe.storage.endpoint), section)
    columns = [keys.column(name).to_pylist() for name in ("chapter_id", "digest", "chars")] if section.files else []
    attached = attach(labels, [Known(*row) for row in zip(*columns, strict=True)])
    for bad in attached.quarantine:
        say(f"corpus: set aside the label file {bad.file}: {bad.reason}")
    check_label_files(attached, recipe.corpus.max_quarantine)
    return attached


def _write_files(
    units: Sequence[Unit],
    outcomes: Sequence[Outcome],
    selection: Selection,
    labels: Mapping[str, Sequence[str]],
    draft: Draft,
) -> list[str]:
    """Join the units' chapters into the corpus's files. Returns their paths in the store."""
    plans = plan_files(f"{draft.prefix}/chapters", _chosen(units, outcomes, selection))
    options = {"store": draft.artifacts.store, "labels": dict(labels)}
    with counting_bar("corpus", len(plans), "files written") as advance:
        rows: list[Row] = [asdict(plan) for plan in plans]
        written = map_rows(rows, _write_one, options, "Writing the chapters", done=lambda number: advance(1))
    kept = sum(1 for split in selection.chapters.column("split").to_pylist() if split)
    assert sum(w["rows"] for w in written) == kept, "a chapter was lost"
    return [plan.path for plan in plans]


def _chosen(units: Sequence[Unit], outcomes: Sequence[Outcome], selection: Selection) -> Iterator[Chosen]:
    """Every group of the units, in the order of the shelf, with the decision on each of its chapters."""
    letters = "".join(LETTERS[split] for split in selection.chapters.column("split").to_pylist())
    names, book = books_of(selection.chapters)
    ends = np.cumsum(np.bincount(book, minlength=len(names))).tolist()
    places = dict(zip(names, zip([0, *ends], ends, strict=False), strict=True))
    for unit, outcome in zip(units, outcomes, strict=True):
        own = "".join(letters[slice(*places.get(b.book, (0, 0)))] for b in outcome.books)
        start = 0
        for number, group in enumerate(outcome.groups):
            yield Chosen(unit.chapters, number, own[start : start + group.rows], group.chars)
            start += group.rows
        assert start == len(own), "a chapter is missing from a part or from its sketches"


def _write_one(row: Row, store: Store, labels: Mapping[str, Sequence[str]]) -> Row:
    plan = FilePlan(row["path"], tuple(Chosen(**group) for group in row["groups"]))
    return {"rows": write_file(store, plan, labels)}


def _write_report(report: dict[str, Any], quarantined: Sequence[Quarantined], labels: Attached, draft: Draft) -> None:
    draft.write_json("report.json", report)
    draft.write("report.html", page(report).encode())
    draft.write(
        "quarantine.jsonl", "".join(json.dumps(vars(q), ensure_ascii=False) + "\n" for q in quarantined).encode()
    )
    if labels.table.num_rows:
        sink = pa.BufferOutputStream()
        pq.write_table(labels.table, sink)
        draft.write("labels.parquet", bytes(sink.getvalue()))

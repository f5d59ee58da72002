"""Tokenizer and shards on Ray. Chapters are listed, divided into groups, and each group becomes one shard in one task.

Text travels from storage to the task that needs it and nowhere else; the driver sees names and sizes. What is in
which shard depends on the corpus and the recipe, never on the cluster.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from novelray.corpus.schema import chapter_files, chapters
from novelray.errors import CorpusError, DamagedError, NovelRayError
from novelray.onray import session
from novelray.onray.data import Row, map_rows
from novelray.onray.errors import from_ray
from novelray.recipe import Recipe
from novelray.shards.chapters import CHAPTERS_FILE, SCHEMA, chapters_bytes
from novelray.shards.chapters import read_chapters as read_table
from novelray.shards.encode import Encoder
from novelray.shards.grams import grams_bytes, grams_path
from novelray.shards.make import ShardCounts, make_shard
from novelray.shards.plan import Listed, matching, plan_shards
from novelray.shards.tokenizer import as_pretrained, load_tokenizer, save_tokenizer, train_backend
from novelray.storage import Artifact, Artifacts, Draft, Plan

TOKENIZER_VERSION = 1
SHARDS_VERSION = 3
SPLITS = ("train", "heldout")
TOKENIZER_CHARS = 200_000_000  # more text no longer changes which merges are the most frequent ones

Say = Callable[[str], None]


class NothingNewError(CorpusError):
    """Every chapter to train on was trained on before."""


def build_tokenizer(recipe: Recipe, artifacts: Artifacts, corpus: Artifact, say: Say) -> Artifact:
    """Train a tokenizer on the training chapters of a corpus, or find the one made before.

    Raises CorpusError when there is no text, DamagedError when the corpus is damaged.
    """
    section = {"vocab_size": recipe.shards.vocab_size}
    plan = Plan("tokenizer", TOKENIZER_VERSION, {"corpus": corpus.id}, section)
    found = artifacts.find(plan.id)
    if found is not None:
        say(f"tokenizer: nothing changed, using {found.id} ({found.counts['vocab_size']:,} tokens)")
        return found
    backend_json = _trained(corpus, recipe.shards.vocab_size)
    from tokenizers import Tokenizer

    tokenizer = as_pretrained(Tokenizer.from_str(backend_json))
    with _drafted(artifacts, plan) as draft, tempfile.TemporaryDirectory() as folder:
        save_tokenizer(tokenizer, Path(folder))
        draft.add_folder(Path(folder))
        artifact = draft.commit({"vocab_size": len(tokenizer)})
    say(f"tokenizer: {len(tokenizer):,} tokens, trained on the corpus → {artifact.id}")
    return artifact


def _trained(corpus: Artifact, vocab_size: int) -> str:
    import ray

    session.start()
    task = ray.remote(num_cpus=1)(_train_task)
    try:
        return str(ray.get(task.remote(corpus, vocab_size)))
    except ray.exceptions.RayError as error:
        raise from_ray(error, "tokenizer") from error


def _train_task(corpus: Artifact, vocab_size: int) -> str:
    return train_backend(training_texts(corpus), vocab_size).to_str()


def training_texts(corpus: Artifact, most: int = TOKENIZER_CHARS) -> Iterator[str]:
    """Training chapters' texts; every n-th chapter only where all would be more than about `most` characters."""
    sizes = sum(sum(b.column("chars").to_pylist()) for b in chapters(corpus, "train", columns=["chars"]))
    step = -(-sizes // most) or 1
    texts = (text for b in chapters(corpus, "train", columns=["text"]) for text in b.column("text").to_pylist())
    return (text for number, text in enumerate(texts) if number % step == 0)


def build_shards(
    recipe: Recipe, artifacts: Artifacts, corpus: Artifact, tokenizer: Path, tokenizer_digest: str,
    books: tuple[str, ...], say: Say, known: tuple[str, ...] = (),
) -> Artifact:  # fmt: skip
    """Tokenise and pack the chapters of the books that match `books`, or find the shards made before.

    `known`: ids of shards whose chapters are left out. Raises CorpusError when no book matches or all of the matching
    chapters are held out, NothingNewError when none but known ones is left to train on, ModelError when the tokenizer
    cannot be read, StorageError and DamagedError. Nothing half-written stays behind.
    """
    inputs = {"corpus": corpus.id, "tokenizer": tokenizer_digest}
    section = {**recipe.shards.identity(), "books": list(books)} | ({"known": list(known)} if known else {})
    plan = Plan("shards", SHARDS_VERSION, inputs, section)
    found = artifacts.find(plan.id)
    if found is not None:
        say(f"shards: nothing changed, using {found.id} ({_summary(found.counts)})")
        return found
    encoder = Encoder.of(load_tokenizer(tokenizer))
    session.start()
    chosen, about = _chosen(corpus, books, _digests_in(artifacts, known), say)
    with _drafted(artifacts, plan) as draft:
        draft.write(CHAPTERS_FILE, chapters_bytes(about))
        counts = _write_shards(recipe, corpus, chosen, encoder, draft)
        draft.write_json("index.json", {
            "context": recipe.shards.context, "vocab_size": encoder.vocab_size, "eos_id": encoder.eos_id,
            "pad_id": encoder.pad_id, "bos_id": encoder.bos_id, "tokenizer": tokenizer_digest,
            "books": list(dict.fromkeys(c.book for c in chosen)), "splits": counts,
        })  # fmt: skip
        artifact = draft.commit({"context": recipe.shards.context, **counts})
    say(f"shards: {_summary(artifact.counts)} → {artifact.id}")
    return artifact


def _chosen(corpus: Artifact, books: tuple[str, ...], known: frozenset[str], say: Say) -> tuple[list[Listed], pa.Table]:
    """The chapters to make rows of, in the corpus's order, and what is known of each (the columns of SCHEMA).

    `known`: digests of chapters that are left out. Each file's bytes are verified where it is read.
    """
    rows = [{"file": name} for name in chapter_files(corpus)]
    lists = map_rows(rows, _list_task, {"corpus": corpus}, "Listing the chapters")
    listed = [
        Listed(found["file"], number, *values)
        for found in lists
        for number, values in enumerate(zip(*(found[c] for c in LISTED_COLUMNS), strict=True))
    ]
    chosen, idle = matching(listed, books)
    for glob in idle:
        say(f"shards: no book is named {glob!r}; going on with the others")
    if known:
        stale = _stale(lists, known)
        chosen = [c for c in chosen if c.chapter_id not in stale]
        if all(c.split != "train" for c in chosen):
            raise NothingNewError("No chapter to train on is new.", "Add books, or chapters to their files.")
    splits = {c.split for c in chosen}
    if "train" not in splits:
        raise CorpusError("All chapters of the chosen books are held out: none is left to train on.",
                          "Lower corpus.heldout.share, or choose more books.")  # fmt: skip
    if "heldout" not in splits:
        say("shards: no chapter of these books is held out, so there will be no validation loss and no scores")
    about = pa.concat_tables(pa.table({n: found[n] for n in SCHEMA.names}, schema=SCHEMA) for found in lists)
    kept = {(c.file, c.row) for c in chosen}
    return chosen, about.filter(pa.array([(one.file, one.row) in kept for one in listed]))


LISTED_COLUMNS = ("chapter_id", "book", "split", "chars")


def _stale(lists: list[Row], known: frozenset[str]) -> set[str]:
    """Ids of the chapters that are known: by their text, and what augmentation made of such a one."""
    columns = [[found[name] for found in lists] for name in ("chapter_id", "digest", "source")]
    ids, digests, sources = (list(chain.from_iterable(column)) for column in columns)
    seen = {name for name, digest in zip(ids, digests, strict=True) if digest in known}
    return seen | {name for name, source in zip(ids, sources, strict=True) if source in seen}


def _digests_in(artifacts: Artifacts, shards: tuple[str, ...]) -> frozenset[str]:
    """Digests of the chapters, trained on or held out, that some shards were made from."""
    found = [artifacts.get(name) for name in shards]
    ids = {one.id: read_table(one.read(CHAPTERS_FILE)).column("chapter_id").to_pylist() for one in found}
    corpora = [artifacts.get(one.manifest.inputs["corpus"]) for one in found]
    rows = [
        {"shards": one.id, "file": name}
        for one, corpus in zip(found, corpora, strict=True)
        for name in chapter_files(corpus)
    ]
    options = {"corpora": dict(zip(ids, corpora, strict=True)), "ids": ids}
    lists = map_rows(rows, _digests_task, options, "Listing the known chapters")
    return frozenset(digest for found in lists for digest in found["digests"])


def _digests_task(row: Row, corpora: dict[str, Artifact], ids: dict[str, list[str]]) -> Row:
    table = read_chapters(corpora[row["shards"]], row["file"], ("chapter_id", "digest"))
    kept = pc.is_in(table.column("chapter_id"), pa.array(ids[row["shards"]], pa.string()))
    return {"digests": table.filter(kept).column("digest").to_pylist()}


def _list_task(row: Row, corpus: Artifact) -> Row:
    names = (*SCHEMA.names, "chars", "digest", "source")
    table = read_chapters(corpus, row["file"], names)
    return {"file": row["file"], **{name: table.column(name).to_pylist() for name in names}}


def _write_shards(
    recipe: Recipe, corpus: Artifact, chosen: list[Listed], encoder: Encoder, draft: Draft
) -> dict[str, Any]:
    """Write every shard and return the counts of each split."""
    import ray

    plans = [p for split in SPLITS for p in plan_shards(chosen, split, recipe.shards.group_chars)]
    rows = [
        {"path": p.path, "files": [f for f, _ in p.sources], "rows": [list(r) for _, r in p.sources]} for p in plans
    ]
    options = {"corpus": corpus, "encoder": ray.put(encoder), "context": recipe.shards.context, "draft": draft}
    written = map_rows(rows, _shard_task, options, "Making the shards", recipe.shards.workers)
    return {split: _counts([r for r in written if r["path"].startswith(f"{split}/")], draft) for split in SPLITS}


def _shard_task(row: Row, corpus: Artifact, encoder: Any, context: int, draft: Draft) -> Row:
    import ray

    ids: list[str] = []
    texts: list[str] = []
    for file, numbers in zip(row["files"], row["rows"], strict=True):
        table = read_chapters(corpus, file, ("chapter_id", "text")).take(pa.array(numbers, pa.int64()))
        ids += table.column("chapter_id").to_pylist()
        texts += table.column("text").to_pylist()
    data, counts = make_shard(ids, texts, ray.get(encoder), context)
    draft.write(row["path"], data)
    if row["path"].startswith("train/"):
        draft.write(grams_path(row["path"]), grams_bytes(texts))
    return {"path": row["path"], **asdict(counts)}


def read_chapters(corpus: Artifact, file: str, columns: tuple[str, ...]) -> pa.Table:
    """Columns of one chapter file of a corpus, whose bytes are verified. Raises DamagedError."""
    try:
        return pq.read_table(pa.BufferReader(corpus.read(file)), columns=list(columns))
    except (pa.ArrowInvalid, KeyError) as error:
        raise DamagedError(
            f"{file} of {corpus.id} is no table of chapters: {error}", "Make the corpus again."
        ) from None


def _counts(written: list[Row], draft: Draft) -> dict[str, Any]:
    total = ShardCounts()
    for row in written:
        total += ShardCounts(**{name: row[name] for name in asdict(total)})
    cells = total.rows * int(draft.plan.section["context"])
    padding = 1 - total.tokens / cells if cells else 0.0
    return {"files": len(written), **asdict(total), "padding": round(padding, 6)}


def _summary(counts: dict[str, Any]) -> str:
    train, heldout = counts["train"], counts["heldout"]
    return (
        f"{train['rows']:,} rows of {counts['context']:,} tokens from {train['chapters']:,} chapters "
        f"({train['chars'] / max(1, train['tokens']):.2f} characters per token, {train['padding']:.1%} padding), "
        f"{heldout['rows']:,} rows held out"
    )


@contextlib.contextmanager
def _drafted(artifacts: Artifacts, plan: Plan) -> Iterator[Draft]:
    """A draft that is discarded when what is done with it fails."""
    draft = artifacts.begin(plan)
    try:
        yield draft
    except BaseException:
        with contextlib.suppress(NovelRayError):
            draft.discard()
        raise

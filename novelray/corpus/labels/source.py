"""The corpus that is labelled: found in the recipe's storage, read in batches, never whole."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from novelray.corpus.labels.attach import Known
from novelray.corpus.labels.pieces import Meta
from novelray.corpus.schema import chapters
from novelray.corpus.shelf import find_books
from novelray.errors import CorpusError
from novelray.recipe import Recipe
from novelray.storage import Artifact, Artifacts


@dataclass(frozen=True)
class ChapterText:
    """A chapter to be shown. `perspective`: as measured, or ""."""

    chapter_id: str
    digest: str
    book: str
    title: str
    genre: str
    text: str
    scenes: tuple[int, ...]
    perspective: str


def find_corpus(recipe: Recipe, artifacts: Artifacts) -> Artifact | None:
    """The newest corpus in storage made from the recipe's books and corpus section. Label files and layers may have
    changed since: it is the corpus without them that was exported. So may tables and models, whose contents the
    manifest's section has too: a chapter that they changed has another digest. None when there is none.

    Raises CorpusError when the recipe's books are not there.
    """
    if not recipe.corpus.books:
        return None
    digests = [book.digest for book in find_books(recipe.corpus.books, recipe.storage.endpoint).books]
    wanted = json.loads(json.dumps({**recipe.corpus.identity(), "seed": recipe.seed}))
    del wanted["labels"]
    found = [
        artifact
        for artifact in artifacts.all()
        if artifact.manifest.kind == "corpus"
        and wanted.items() <= artifact.manifest.section.items()
        and _made_from(artifact, digests)
    ]
    return max(found, key=lambda a: (a.manifest.created, a.id), default=None)


def corpus_of(recipe: Recipe, artifacts: Artifacts, corpus_id: str = "") -> Artifact:
    """The corpus with that id, or the recipe's. Raises CorpusError when there is none."""
    found = artifacts.get(corpus_id) if corpus_id else find_corpus(recipe, artifacts)
    if found is None:
        raise CorpusError(
            f"There is no corpus of this recipe in {artifacts.store.uri}.",
            "Build it with: novelray corpus RECIPE, or name one with --corpus.",
        )
    if found.manifest.kind != "corpus":
        raise CorpusError(f"{found.id} is no corpus.", "Name an artifact that `novelray corpus` made: corpus-...")
    return found


def _made_from(artifact: Artifact, digests: Collection[str]) -> bool:
    inputs = "\n".join(artifact.manifest.inputs.values())
    return all(digest in inputs for digest in digests)


def known(artifact: Artifact) -> Iterator[Known]:
    """Every chapter of the books' own text."""
    for row in _rows(artifact, ("chapter_id", "digest", "chars")):
        yield Known(row["chapter_id"], row["digest"], row["chars"])


def metas(artifact: Artifact) -> Iterator[Meta]:
    """Every chapter that could be shown."""
    for row in _rows(artifact, ("chapter_id", "book", "genre")):
        yield Meta(row["chapter_id"], row["book"], row["genre"])


def texts(artifact: Artifact, wanted: Collection[str]) -> Iterator[ChapterText]:
    """The chapters with these ids, in the order of the corpus."""
    columns = ("chapter_id", "digest", "book", "title", "genre", "text", "scenes", "perspective")
    for row in _rows(artifact, columns):
        if row["chapter_id"] in wanted:
            yield ChapterText(**{**row, "scenes": tuple(row["scenes"])})


def _rows(artifact: Artifact, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    try:
        for batch in chapters(artifact, columns=[*columns, "origin"]):
            for row in batch.to_pylist():
                if not row.pop("origin"):
                    yield row
    except KeyError as error:
        raise CorpusError(
            f"{artifact.id} has no column {error}: an older version made it.", "Build it again: novelray corpus RECIPE"
        ) from None

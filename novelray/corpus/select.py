"""Which chapters are kept, and in which split: decided from ids and digests alone, never from text."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from novelray.corpus.dedup import Decision, books_of
from novelray.corpus.heldout import held_out
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection

SPLITS = ("train", "heldout")


@dataclass(frozen=True)
class Selection:
    """`chapters`: chapter_id, book, index, chars, split, sorted by book and index. The split is empty where a chapter
    was removed as a duplicate; `decision` says why."""

    chapters: pa.Table
    decision: Decision

    def counts(self, split: str) -> dict[str, int]:
        """Chapters, characters and books of one split."""
        found = self.chapters.filter(pc.field("split") == split)
        chars = int(pc.sum(found.column("chars"), min_count=0).as_py())
        return {"chapters": len(found), "chars": chars, "books": len(pc.unique(found.column("book")))}

    def splits(self, book: str) -> dict[str, str]:
        """Chapter id → split of the kept chapters of a book, in order."""
        names = self.chapters.column("book")
        start, end = (int(pc.search_sorted(names, book, side=side).as_py()) for side in ("left", "right"))
        rows = self.chapters.slice(start, end - start)
        pairs = zip(rows.column("chapter_id").to_pylist(), rows.column("split").to_pylist(), strict=True)
        return {chapter_id: split for chapter_id, split in pairs if split}

    def per_book(self) -> pa.Table:
        """One row per book, in order: book, chapters, chars, train, heldout, removed (the last three in chapters)."""
        names, book = books_of(self.chapters)
        split = self.chapters.column("split")
        columns = {"book": pa.array(names, pa.string()), "chapters": np.bincount(book, minlength=len(names))}
        columns["chars"] = np.bincount(book, self.chapters.column("chars").to_numpy(), len(names)).astype(np.int64)
        for name, value in (("train", "train"), ("heldout", "heldout"), ("removed", "")):
            chosen = pc.equal(split, value).to_numpy(zero_copy_only=False)
            columns[name] = np.bincount(book[chosen], minlength=len(names))
        return pa.table(columns)


def select(keys: pa.Table, decision: Decision, section: CorpusSection, seed: int) -> Selection:
    """Give each kept chapter of `keys` its split. Raises CorpusError when nothing is left to train on."""
    if not len(keys):
        raise CorpusError(
            "The books hold no chapter: there is nothing to train on.",
            f"Each chapter needs at least corpus.min_chapter_chars ({section.min_chapter_chars}) characters.",
        )
    held = held_out(keys, decision, section.heldout, seed)
    if not (decision.keep & ~held).any():
        raise CorpusError(
            f"All {int(decision.keep.sum())} chapters are held out: there is nothing to train on.",
            "Lower corpus.heldout.share, or name fewer books in corpus.heldout.books.",
        )
    split = np.where(decision.keep, np.where(held, *reversed(SPLITS)), "")
    columns = keys.select(["chapter_id", "book", "index", "chars"])
    return Selection(columns.append_column("split", pa.array(split.tolist(), pa.string())), decision)

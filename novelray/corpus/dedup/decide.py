"""Which of the chapters that resemble each other are kept, and why: from keys and pairs alone, never from text.

Books are ranked first, so that the chapters of a work are kept from one edition. A chapter goes only for the sake of
one that is kept and that it resembles itself, however long the chain of likenesses it stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from novelray.corpus.dedup.book_pairs import BookPair, book_pairs
from novelray.corpus.dedup.editions import Links, overlaps
from novelray.corpus.dedup.fate import KINDS, Fate, Rows, fate_of
from novelray.corpus.dedup.groups import I64, groups_of, runs_of
from novelray.corpus.dedup.plausible import check_plausible
from novelray.corpus.dedup.standing import BookFacts, ranks, standings
from novelray.recipe.dedup import DedupSection

CROWD = 200  # chapters that one resembles, from which not all of them are known to resemble each other

REMOVED = pa.schema(
    [
        pa.field("chapter_id", pa.string(), nullable=False),
        pa.field("book", pa.string(), nullable=False),
        pa.field("kept", pa.string(), nullable=False),  # the chapter for whose sake it goes
        pa.field("kept_book", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),  # one of KINDS
        pa.field("similarity", pa.float32(), nullable=False),  # Jaccard similarity of sets of character 5-grams
        pa.field("share", pa.float32(), nullable=False),  # of its grams that the kept chapter holds
    ]
)


@dataclass(frozen=True)
class Decision:
    """`removed`: schema REMOVED; `books`: pairs of books with chapters in common.

    Per row of the keys: `keep`, and `group`, a number that chapters which resemble each other over any chain have in
    common; per book, in order of name: `work`, a number that editions of one work have in common.
    """

    removed: pa.Table
    books: list[BookPair]
    keep: npt.NDArray[np.bool_]
    group: I64
    work: I64


def decide(keys: pa.Table, pairs: pa.Table, books: Sequence[BookFacts], section: DedupSection) -> Decision:
    """Choose what is kept of `keys` (sorted by book and index), some of which `pairs` says resemble each other.

    Raises CorpusError when an implausible share of the chapters would go.
    """
    names, book = books_of(keys)
    digest = _digests(keys)
    links = _links(pairs, digest)
    common = overlaps(links, book, keys.column("chars").to_numpy())
    family = common.families(len(names))
    ranked = standings(keys, names, book, family, links, books, section.script)
    best = ranks(ranked)
    place = _places(links, best[book])
    work = common.editions(len(names))
    fate = fate_of(links, digest, Rows(book, place, family[book], work[book]), section)
    gone = np.flatnonzero(fate.keeper != np.arange(len(book)))
    check_plausible(gone, fate.keeper[gone], book, family, names, section.max_share)
    near = (links.similarity >= section.threshold) | (links.share >= section.contained)
    first = np.concatenate([links.inner[near], gone])
    return Decision(
        removed=_removed(keys, gone, fate),
        books=book_pairs(common, ranked, family, best, book[gone], book[fate.keeper[gone]]),
        keep=fate.keeper == np.arange(len(book)),
        group=groups_of(len(book), first, np.concatenate([links.outer[near], fate.keeper[gone]])),
        work=work,
    )


def _places(links: Links, rank: I64) -> I64:
    """Of each row, how many are preferred to it: those of better books, and of a crowd the one that most resemble.

    In a crowd not every pair is known (pairs.py), so that only for that one's sake all others can go.
    """
    alike = np.bincount(links.inner, minlength=len(rank))
    place = np.empty(len(rank), np.int64)
    place[np.lexsort((np.arange(len(rank)), rank, np.where(alike > CROWD, -alike, 0)))] = np.arange(len(rank))
    return place


def books_of(keys: pa.Table) -> tuple[list[str], I64]:
    """The books' names in order, and the number of each row's book among them."""
    column = keys.column("book").combine_chunks().dictionary_encode()  # sorted, so codes come in order
    return column.dictionary.to_pylist(), column.indices.to_numpy().astype(np.int64)


def _digests(keys: pa.Table) -> I64:
    """A number per row, the same for equal digests; a text of whitespace alone equals nothing."""
    column = keys.column("digest").combine_chunks()
    codes: I64 = column.dictionary_encode().indices.to_numpy().astype(np.int64)
    empty = np.flatnonzero(pc.equal(column, "").to_numpy(zero_copy_only=False))
    codes[empty] = len(codes) + np.arange(len(empty))
    return codes


def _links(pairs: pa.Table, digest: I64) -> Links:
    """Pairs in both directions, and equal chapters with the first and the one before of their kind."""
    a, b = (pairs.column(name).to_numpy().astype(np.int64) for name in ("a", "b"))
    similarity, a_in_b, b_in_a = (
        pairs.column(name).to_numpy().astype(np.float64) for name in ("similarity", "a_in_b", "b_in_a")
    )
    order = np.argsort(digest, kind="stable")
    starts, sizes = runs_of(digest[order])
    later = np.setdiff1d(np.arange(len(order)), starts)
    first = np.repeat(starts, sizes)[later]
    one, other = np.tile(order[later], 2), np.concatenate([order[first], order[later - 1]])
    same = np.ones(2 * len(one))
    return Links(
        np.concatenate([a, b, one, other]),
        np.concatenate([b, a, other, one]),
        np.concatenate([a_in_b, b_in_a, same]),
        np.concatenate([b_in_a, a_in_b, same]),
        np.concatenate([similarity, similarity, same]),
    )


def _removed(keys: pa.Table, gone: I64, fate: Fate) -> pa.Table:
    one, other = keys.take(pa.array(gone)), keys.take(pa.array(fate.keeper[gone]))
    columns = {
        "chapter_id": one.column("chapter_id"),
        "book": one.column("book"),
        "kept": other.column("chapter_id"),
        "kept_book": other.column("book"),
        "kind": pa.array(KINDS[fate.kind[gone]].tolist(), pa.string()),
        "similarity": fate.similarity[gone].astype(np.float32),
        "share": fate.share[gone].astype(np.float32),
    }
    return pa.table(columns, schema=REMOVED)

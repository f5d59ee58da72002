"""A fault that makes everything look the same must not delete a corpus: the refusal of an implausible pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from novelray.corpus.dedup.groups import I64, runs_of
from novelray.errors import CorpusError

ONE_TO_ONE = 0.5  # different kept chapters per chapter that goes, from which two books run in parallel
SEVERAL = 3  # chapters from which that can be told


def check_plausible(gone: I64, kept: I64, book: I64, family: I64, names: Sequence[str], max_share: float) -> None:
    """Raise CorpusError when too many rows, `gone` for the sake of `kept`, would be removed.

    Editions of one work that run in parallel, chapter by chapter, do not count: a shelf may hold a novel five times.
    A fault makes many chapters resemble one, and that is no parallel. `book`: per row; `family`: per book.
    """
    if not len(gone):
        return
    pair = book[gone] * len(names) + book[kept]
    order = np.lexsort((kept, pair))
    gone, kept, pair = gone[order], kept[order], pair[order]
    starts, sizes = runs_of(pair)
    targets = np.add.reduceat(np.r_[True, (kept[1:] != kept[:-1]) | (pair[1:] != pair[:-1])].astype(np.int64), starts)
    one, other = book[gone[starts]], book[kept[starts]]
    parallel = (one != other) & (family[one] == family[other]) & (targets >= ONE_TO_ONE * sizes) & (sizes >= SEVERAL)
    counted, total = int(sizes[~parallel].sum()), len(book) - int(sizes[parallel].sum())
    if counted <= max_share * total:
        return
    worst = int(np.argmax(np.where(parallel, 0, sizes)))
    raise CorpusError(
        f"Deduplication would remove {counted} of {total} chapters ({counted / total:.0%}), more than "
        f"corpus.dedup.max_share ({max_share:.0%}); {sizes[worst]} of them are in {names[one[worst]]!r} and resemble "
        f"{targets[worst]} in {names[other[worst]]!r}.",
        "Look at these two. Is one text repeated, or corpus.dedup.threshold too low? If it is right, raise "
        "corpus.dedup.max_share.",
    )

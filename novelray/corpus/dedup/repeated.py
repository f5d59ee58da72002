"""Text that many chapters of one book repeat word for word (a preface, a notice) and that tells none of them apart.

Without this, two novels of one site whose short chapters all begin with the same notice would count as one work. Such
text is told from chapters that really are copies of each other by what stands around it: a copy with changes has grams
in common everywhere, boilerplate in one stretch, next to a body of the chapter's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from novelray.corpus.dedup.groups import runs_of

U64 = npt.NDArray[np.uint64]

OFTEN, OFTEN_SHARE = 3, 0.1  # chapters, and share of a book's chapters, that boilerplate stands in at the least
LEAST_SHARE, OWN_SHARE = 0.2, 0.1  # of a chapter, that its boilerplate and its own text make up at the least
LEAST_OWN = 100  # characters of its own that it has then
STRETCH, STRETCHES = 8, 2  # common hashes in a row that make a stretch of boilerplate, and stretches: head and tail
SCATTERED = 0.5  # of the runs that chance makes of common and other hashes, above which a chapter is a changed copy


def own_hashes(sketched: Sequence[U64], bounds: U64, hashes_of: Callable[[int], U64]) -> dict[int, U64]:
    """By number of a chapter with boilerplate: the hashes of its own text.

    `sketched`, `bounds`: the sketches of a book's chapters; `hashes_of`: all hashes of one, in the order of its text.
    """
    least = max(OFTEN, OFTEN_SHARE * len(sketched))
    if len(sketched) < least:
        return {}
    # Hashes that three quarters of the sketches would show, so that how often they were seen says how often they are.
    limit = np.sort(bounds)[len(bounds) // 4]
    samples = [sample[: np.searchsorted(sample, limit)] for sample in sketched]
    flat = np.concatenate(samples)
    values = np.sort(flat)
    starts, times = runs_of(values)
    common = values[starts[times >= least]]
    if len(common) < STRETCH:
        return {}
    sizes = np.array([len(sample) for sample in samples])
    shared = np.bincount(np.repeat(np.arange(len(sizes)), sizes), _is_in(flat, common), len(sizes))
    found: dict[int, U64] = {}
    for number in np.flatnonzero((shared >= LEAST_SHARE * sizes) & (sizes > 0)).tolist():
        hashes = hashes_of(number)
        own = _own(hashes, np.flatnonzero(hashes < min(limit, bounds[number])), common)
        if own is not None:
            found[number] = hashes[own]
    return found


def _own(hashes: U64, places: npt.NDArray[np.intp], common: U64) -> npt.NDArray[np.bool_] | None:
    """Which hashes are the chapter's own; None where it has no boilerplate. `places`: of the hashes looked at."""
    shared = _is_in(hashes[places], common)
    starts, sizes = runs_of(shared)
    long = shared[starts] & (sizes >= STRETCH)
    inside, by_chance = sizes[long].sum() / len(places), 2 * shared.sum() * (~shared).sum() / len(places)
    if not LEAST_SHARE <= inside <= 1 - OWN_SHARE or long.sum() > STRETCHES or len(starts) > SCATTERED * by_chance:
        return None
    own = np.ones(len(hashes), np.bool_)
    for first, size in zip(starts[long], sizes[long], strict=True):
        last = first + size - 1
        begin = 0 if first == 0 else places[first]  # up to the chapter's edge, since not every hash is looked at
        own[begin : len(own) if last == len(places) - 1 else places[last] + 1] = False
    return own if np.count_nonzero(own) >= LEAST_OWN else None


def _is_in(hashes: U64, ordered: U64) -> npt.NDArray[np.bool_]:
    """Which of the hashes are among the ordered ones."""
    found: npt.NDArray[np.bool_] = ordered[np.searchsorted(ordered, hashes).clip(max=len(ordered) - 1)] == hashes
    return found

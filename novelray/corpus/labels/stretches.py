"""Spans as masks over characters: who marked what, on which stretches they differ, what most of them marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from novelray.corpus.labels.kinds import Span


def mask(spans: Iterable[Span], start: int, end: int) -> np.ndarray:
    """Boolean (end - start,): which characters of the item lie in one of the spans."""
    marked = np.zeros(end - start, bool)
    for span in spans:
        marked[max(0, span.start - start) : max(0, span.end - start)] = True
    return marked


def runs(marked: np.ndarray, breaks: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
    """The runs of True, as (start, end), cut at `breaks`."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], marked.astype(np.int8), [0]))))
    cuts = sorted(set(breaks))
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        inside = [cut for cut in cuts if first < cut < last]
        yield from zip([first, *inside], [*inside, last], strict=True)


def agreed(answers: Sequence[Sequence[Span]], start: int, end: int) -> list[tuple[int, int, float]]:
    """What more than half of the annotators marked: (start, end, mean share who did), in chapter offsets.

    Two spans that touch stay two where more than half of the annotators begin one there.
    """
    votes = _votes(answers, start, end)
    begins: dict[int, int] = {}
    for spans in answers:
        for place in {span.start - start for span in spans}:
            begins[place] = begins.get(place, 0) + 1
    breaks = [place for place, count in begins.items() if 2 * count > len(answers)]
    return [
        (start + first, start + last, float(votes[first:last].mean()) / len(answers))
        for first, last in runs(2 * votes > len(answers), breaks)
    ]


def contested(answers: Sequence[Sequence[Span]], start: int, end: int) -> list[tuple[int, int]]:
    """The stretches that some annotators marked and others did not, in chapter offsets."""
    votes = _votes(answers, start, end)
    return [(start + first, start + last) for first, last in runs((votes > 0) & (votes < len(answers)))]


def _votes(answers: Sequence[Sequence[Span]], start: int, end: int) -> np.ndarray:
    """How many annotators marked each character."""
    votes = np.zeros(end - start, np.int64)
    for spans in answers:
        votes += mask(spans, start, end)
    return votes


def matched(first: Sequence[Span], second: Sequence[Span]) -> list[tuple[Span, Span]]:
    """Pairs of spans that are the same utterance: more than half of what they cover together is common.

    That makes the pairs one to one, unless an annotator marked the same stretch twice; then the first counts.
    """
    found, taken = [], set()
    for one in first:
        for at, other in enumerate(second):
            if at not in taken and _same(one, other):
                found.append((one, other))
                taken.add(at)
                break
    return found


def _same(one: Span, other: Span) -> bool:
    common = min(one.end, other.end) - max(one.start, other.start)
    return 2 * common > max(one.end, other.end) - min(one.start, other.start)


def counts(first: np.ndarray, second: np.ndarray) -> dict[tuple[bool, bool], int]:
    """The confusion table of two masks."""
    both, one, other = int((first & second).sum()), int(first.sum()), int(second.sum())
    table = {(True, True): both, (True, False): one - both, (False, True): other - both}
    return {**table, (False, False): len(first) - one - other + both}

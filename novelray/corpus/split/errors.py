"""What a book numbers wrongly, in lines that a person can read, and how sure the split is."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from novelray.corpus.split.choice import Choice
from novelray.corpus.split.marks import Mark
from novelray.corpus.split.numbering import Link
from novelray.corpus.split.repeats import Repeats

SINGLY = 3  # errors of one kind that are told one by one; more of them become one line
SHOWN = 3  # of these, how many are named
LONGEST_NAME = 30
LATE_CONFIDENCE = 0.8  # of numbers that begin late: the file may be a later volume, or its beginning is lost
UNNUMBERED_CONFIDENCE = 0.7  # of a split by headings that have no numbers: nothing says whether one is missing


def name(mark: Mark) -> str:
    """A heading as messages quote it."""
    return mark.title[:LONGEST_NAME]


def numbering_errors(repeats: Repeats, empty: Sequence[str]) -> list[str]:
    """Missing numbers, wrong numbers, numbers that stand twice, and chapters without text."""
    without_text = _several([title[:LONGEST_NAME] for title in empty], "has no text", "have no text")
    chain = repeats.chain
    if not all(link.mark.values for link in chain):
        return without_text
    first = chain[0].value
    found = [] if first <= 1 else [f"the numbering begins at {first}"]
    found += _grouped(_missing(chain), "{} numbers are missing in {} places: ")
    wrong = [link for link in chain if link.value != link.mark.values[0]]
    lost = [link for link in wrong if link.value in link.mark.values]  # 第一二回 for 第一百零二回
    others = [link for link in wrong if link.value not in link.mark.values]
    found += _wrong(lost, "{} headings have lost a zero: ") + _wrong(others, "{} headings have a wrong number: ")
    found += _several([name(mark) for mark in repeats.twice], "stands twice", "stand twice")
    found += [
        f"{head} stands again and again, as a running head does" for head in dict.fromkeys(map(name, repeats.running))
    ]
    return found + without_text


def _wrong(links: Sequence[Link], many: str) -> list[str]:
    if len(links) <= SINGLY:
        return [f"{name(link.mark)} stands where {link.value} is expected" for link in links]
    return [many.format(len(links)) + _some([f"{name(link.mark)} stands for {link.value}" for link in links])]


def _missing(chain: Sequence[Link]) -> list[tuple[range, str]]:
    return [
        (range(a.last + 1, b.value), name(b.mark))
        for a, b in pairwise(chain)
        if not b.restarted and b.value > a.last + 1
    ]


def _grouped(missing: list[tuple[range, str]], many: str) -> list[str]:
    spans = [str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1]}" for r, _ in missing]
    if len(missing) <= SINGLY:
        return [f"{span} missing before {title}" for span, (_, title) in zip(spans, missing, strict=True)]
    return [many.format(sum(len(r) for r, _ in missing), len(missing)) + ", ".join(spans)]


def _several(titles: list[str], one: str, many: str) -> list[str]:
    if len(titles) <= SINGLY:
        return [f"{title} {one}" for title in titles]
    return [f"{len(titles)} headings {many}: {_some(titles)}"]


def _some(items: list[str]) -> str:
    return ", ".join(items) if len(items) <= 2 * SHOWN else f"{', '.join(items[:SHOWN])}, … {items[-1]}"


def confidence(choice: Choice) -> float:
    """How complete the numbering is, how much the marks look like headings, how alike the chapters' lengths: 0 to 1."""
    chain = choice.chain
    looks = sum(link.mark.weight for link in chain) / len(chain)
    return round(_complete(choice) * choice.alike * (0.7 + 0.3 * looks), 3)


def _complete(choice: Choice) -> float:
    chain = choice.chain
    if choice.family.startswith(("heading", "listed", "capitals")):
        return UNNUMBERED_CONFIDENCE
    expected = 1 + sum(b.value if b.restarted else max(1, b.value - a.last) for a, b in pairwise(chain))
    return min(1.0, len(chain) / expected) * (1.0 if chain[0].value <= 1 else LATE_CONFIDENCE)

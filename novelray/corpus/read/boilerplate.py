"""Takes off what the table calls no text of the book: notices, advertising, addresses, page numbers.

Cheap where nothing is found: one pass over the text for all Chinese needles, a search for each of the few others.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from novelray.corpus.alphabet import Pairs
from novelray.corpus.read.boilerplate_table import CHINESE, ENGLISH, URL, WEB, WEB_RULES, Rule
from novelray.corpus.read.page_numbers import Span, page_numbers

WIDEST = 1_000  # characters of a line that can still be a notice
NEAR = 160  # characters around a needle that a notice inside a line can take
OFTEN = 3  # times that one address stands in a book's lines before it is a watermark
_URL = re.compile(URL)
_HANZI = re.compile(r"[\u3400-\u9fff]")


def without_boilerplate(text: str) -> tuple[str, Counter[str]]:
    """The text without notices, and how many characters of each kind went."""
    middle = len(text) // 2
    sample = text[:5_000] + text[middle : middle + 5_000]
    is_chinese = not sample.isascii() and _HANZI.search(sample) is not None
    needles = _needles(CHINESE if is_chinese else ENGLISH)
    hits, rules = list(needles.places(text)), needles.rules
    inside = [
        span for at, needle in hits for rule in rules[needle] if not rule.line for span in _around(text, at, rule)
    ]
    starts = sorted((start, end) for start, end, _ in inside)
    # A notice inside a line is no reason to take the whole line.
    left = [(at, needle) for at, needle in hits if not _is_in(at, starts)]
    lines = [span for at, needle in left for rule in rules[needle] if rule.line for span in _around(text, at, rule)]
    text, removed = _cut(text, [*inside, *lines, *page_numbers(text)])
    if any(needle in WEB for _, needle in hits):
        text, more = _cut(text, _watermarks(text))
        removed += more
    return text, removed


def _is_in(place: int, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether the last of the sorted spans that begins before `place` covers it."""
    index = bisect_right(spans, place, key=lambda span: span[0]) - 1
    return index >= 0 and place < spans[index][1]


@dataclass(frozen=True)
class _Needles:
    pairs: Pairs  # the first two characters of each
    pattern: re.Pattern[str]
    rules: dict[str, tuple[Rule, ...]]

    def places(self, text: str) -> Iterator[tuple[int, str]]:
        """Where a needle stands, and which: the longest at its place, none overlapping another."""
        done = 0
        for at in self.pairs.places(text):
            if at >= done and (match := self.pattern.match(text, at)):
                done = match.end()
                yield at, match[0]


@cache
def _needles(rules: tuple[Rule, ...]) -> _Needles:
    """All needles, and the rules of each; one that begins with another comes first and has both's."""
    needles = sorted({needle for rule in rules for needle in rule.needles}, key=lambda n: (-len(n), n))
    chosen = {n: tuple(r for r in rules if any(n.startswith(own) for own in r.needles)) for n in needles}
    return _Needles(Pairs.of(needles), re.compile("|".join(map(re.escape, needles))), chosen)


def _around(text: str, place: int, rule: Rule) -> Iterator[Span]:
    """What the rule takes off where a needle stands at `place`. Looks no further than `WIDEST`, so it stays linear."""
    start = text.rfind("\n", max(0, place - WIDEST), place) + 1
    end = text.find("\n", place, place + WIDEST)
    bounded = (start > 0 or place <= WIDEST) and (end >= 0 or len(text) <= place + WIDEST)
    start, end = (max(start, place - WIDEST, 0), end if end >= 0 else min(len(text), place + WIDEST))
    if rule.line:
        if bounded and end - start <= WIDEST and rule.pattern.fullmatch(text[start:end].strip()):
            yield start, min(len(text), end + 1), rule.kind
        return
    for match in rule.pattern.finditer(text, max(start, place - NEAR), min(end, place + NEAR)):
        if match.start() <= place < match.end():
            is_all = bounded and not text[start : match.start()].strip() and not text[match.end() : end].strip()
            yield (start, min(len(text), end + 1), rule.kind) if is_all else (match.start(), match.end(), rule.kind)


def _watermarks(text: str) -> list[Span]:
    """Addresses inside the lines of a book that come again and again."""
    found: dict[int, re.Match[str]] = {}
    for at, needle in _needles(WEB_RULES).places(text):
        for match in _URL.finditer(text, max(0, at - NEAR), at + len(needle) + NEAR):
            if match.start() <= at < match.end():
                found[match.start()] = match
    often = Counter(match[0].lower() for match in found.values())
    return [(m.start(), m.end(), "urls") for m in found.values() if often[m[0].lower()] >= OFTEN]


def _cut(text: str, spans: Sequence[Span]) -> tuple[str, Counter[str]]:
    """The text without the spans. What two of them cover is counted once, for the one that begins first."""
    removed: Counter[str] = Counter()
    kept: list[str] = []
    place = 0
    for start, end, kind in sorted(spans, key=lambda span: (span[0], -span[1])):
        start = max(start, place)
        if start >= end:
            continue
        kept.append(text[place:start])
        removed[kind] += end - start
        place = end
    return "".join([*kept, text[place:]]) if place else text, removed

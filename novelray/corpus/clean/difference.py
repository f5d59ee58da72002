"""What cleaning changed, as a unified diff that a person can read, in time linear in the text.

Paragraphs of novels can be one line of a thousand characters, and books one line of a million: the diff compares
sentences. Long texts are aligned at the sentences that occur once on both sides, and only what lies between is compared
in detail. Characters that cannot be seen are written as <U+200B>.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher

_UNIT = re.compile(r"[^。！？!?.\n]{0,400}(?:[。！？!?…]+[”’」』）\"']*|\.+[”\"')]*(?=\s|\Z)|\.)?\n?")
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u2000-\u200f\u2028-\u202f\u205f-\u206f\ufeff\ue000]|[ \t\u3000]+(?=\n?\\Z)"
)
_DETAIL = 200  # sentences; between two anchors more than this are shown as replaced as a whole
_CONTEXT = 1

Block = tuple[int, int, int, int]  # before[a:b] became after[c:d]


def difference(before: str, after: str, name: str) -> Iterator[str]:
    """Lines of a unified diff whose lines are sentences; nothing where the two are equal. `name`: the book's."""
    old, new = _units(before), _units(after)
    hunks = list(_hunks(_changed(old, new)))
    if hunks:
        yield f"--- {name} (before)"
        yield f"+++ {name} (after)"
    for blocks in hunks:
        start, end = max(0, blocks[0][0] - _CONTEXT), min(len(old), blocks[-1][1] + _CONTEXT)
        new_start = blocks[0][2] - (blocks[0][0] - start)
        new_end = blocks[-1][3] + (end - blocks[-1][1])
        yield f"@@ -{start + 1},{end - start} +{new_start + 1},{new_end - new_start} @@"
        at = start
        for a, b, c, d in blocks:
            yield from (" " + _shown(unit) for unit in old[at:a])
            yield from ("-" + _shown(unit) for unit in old[a:b])
            yield from ("+" + _shown(unit) for unit in new[c:d])
            at = b
        yield from (" " + _shown(unit) for unit in old[at:end])


def _units(text: str) -> list[str]:
    """The text cut after every sentence and line; the pieces joined are the text."""
    return [unit for unit in _UNIT.findall(text) if unit]


def _shown(unit: str) -> str:
    if unit == "\n":
        return "<empty line>"
    body = unit.removesuffix("\n")
    return _INVISIBLE.sub(lambda m: "".join(f"<U+{ord(c):04X}>" for c in m.group()), body)


def _hunks(blocks: list[Block]) -> Iterator[list[Block]]:
    """Blocks whose context would touch go together."""
    group: list[Block] = []
    for block in blocks:
        if group and block[0] - group[-1][1] > 2 * _CONTEXT:
            yield group
            group = []
        group.append(block)
    if group:
        yield group


def _changed(old: list[str], new: list[str]) -> list[Block]:
    """The blocks that differ, in order."""
    blocks: list[Block] = []
    a = c = 0
    for b, d in [*_anchors(old, new), (len(old), len(new))]:
        blocks += _between(old, new, (a, b, c, d))
        a, c = b + 1, d + 1
    return blocks


def _anchors(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Sentences that occur once on both sides, as many as stand in the same order (longest increasing sequence)."""
    once_old, once_new = _once(old), _once(new)
    pairs = [(i, once_new[unit]) for unit, i in once_old.items() if unit in once_new]
    tails: list[int] = []  # of the increasing sequences of each length, the least last position in `new`
    ends: list[int] = []
    previous: list[int] = []
    for k, (_, j) in enumerate(pairs):
        length = bisect_left(tails, j)
        previous.append(ends[length - 1] if length else -1)
        tails[length : length + 1] = [j]
        ends[length : length + 1] = [k]
    chain: list[tuple[int, int]] = []
    k = ends[-1] if ends else -1
    while k >= 0:
        chain.append(pairs[k])
        k = previous[k]
    return chain[::-1]


def _once(units: list[str]) -> dict[str, int]:
    counts = Counter(units)
    return {unit: i for i, unit in enumerate(units) if counts[unit] == 1}


def _between(old: list[str], new: list[str], block: Block) -> Iterator[Block]:
    a, b, c, d = block
    while a < b and c < d and old[a] == new[c]:
        a, c = a + 1, c + 1
    while a < b and c < d and old[b - 1] == new[d - 1]:
        b, d = b - 1, d - 1
    if a == b and c == d:
        return
    if a == b or c == d or max(b - a, d - c) > _DETAIL:
        yield a, b, c, d
        return
    for tag, i, j, k, m in SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_opcodes():
        if tag != "equal":
            yield a + i, a + j, c + k, c + m

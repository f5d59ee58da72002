"""Where personal data is put into a novel: between two characters, in a dialogue, at the end of a line."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from insertions import Item, Maker

AROUND = 400  # characters of the novel on both sides of an insertion

# Not beside a numeral: whether 一 in 138…五一 belongs to the number or to 一事 nobody can say.
_HANZI_PAIR = re.compile(
    r"(?<=[\u4e00-\u9fff])(?<![一二三四五六七八九十百零〇])(?=[\u4e00-\u9fff])(?![一二三四五六七八九十百零〇])"
)
_WORDS = re.compile(r"(?<=[a-z] )(?=[a-z])")
_SPEECH = re.compile(r"(?<=[“「『])(?![一二三四五六七八九十百零〇])")
_LATIN_SPEECH = re.compile(r"(?<=[“\"])(?=[A-Z])")
_LINE_END = re.compile(r"(?<=.)(?=\n|\Z)|(?<=[。！？」”])")
_LATIN_LINE_END = re.compile(r"(?<=[a-z,.])(?=\n|\Z)")


@dataclass(frozen=True)
class Planted:
    """A stretch of a novel with personal data at `text[start:end]`."""

    item: Item
    text: str
    start: int
    end: int


def plant(
    novel: str, makers: dict[str, list[Maker]], count: int, random: Random, latin: bool
) -> dict[str, list[Planted]]:
    """`count` insertions of each kind, spread over the novel and over the three sorts of places."""
    sorts = [_WORDS, _LATIN_SPEECH, _LATIN_LINE_END] if latin else [_HANZI_PAIR, _SPEECH, _LINE_END]
    places = [found for sort in sorts if (found := [m.start() for m in sort.finditer(novel)])]
    planted: dict[str, list[Planted]] = {}
    for kind, of_kind in makers.items():
        planted[kind] = [
            _planted(novel, random.choice(places[n % len(places)]), random.choice(of_kind)(random), latin)
            for n in range(count)
        ]
    return planted


def _planted(novel: str, at: int, item: Item, latin: bool) -> Planted:
    before, behind = novel[max(0, at - AROUND) : at], novel[at : at + AROUND]
    before += " " if latin and (before[-1:].isalnum() or before.endswith((",", "."))) else ""
    behind = f" {behind}" if latin and behind[:1].isalnum() else behind
    start = len(before) + item.start
    return Planted(item, before + item.text + behind, start, start + item.end - item.start)

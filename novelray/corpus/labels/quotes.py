"""A first guess at a text's utterances, for annotators to correct: what stands in quotation marks, and who says it.

The speaker is taken from the words right before or after the quotation (`玄德曰：`, `said Holmes`). It is a guess:
there is no list of names behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_QUOTED = re.compile(r"“[^“”\n]+”|「[^「」\n]+」|『[^『』\n]+』|\"[^\"\n]+\"")
_WINDOW = 40  # characters beside a quotation that are searched for its speaker
_HAN = "㐀-鿿\U00020000-\U0003ffff·"
_VERBS = "道|说|說|曰|问|問|答|云|喊|叫|嚷|骂|罵"
_SAID = "said|asked|replied|cried|answered|exclaimed|whispered|shouted|returned|remarked|continued|added|observed"
_NAME = r"(?:(?:Mr|Mrs|Miss|Dr|Sir|Lady|Lord)\.? )?[A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?"
_BEFORE = (
    re.compile(rf"(?:^|[，。！？；：、\s”」』])(?P<name>[{_HAN}]{{2,8}}?)(?:{_VERBS})[：:，,]?\s*$"),
    re.compile(rf"(?P<name>{_NAME}) (?:{_SAID})[,:]?\s*$"),
)
_AFTER = (
    re.compile(rf"\s*(?P<name>[{_HAN}]{{2,8}}?)(?<!不)(?:道|说|說|曰)[。，；]"),
    re.compile(rf"\s*(?:{_SAID}) (?P<name>{_NAME})"),
    re.compile(rf"\s*(?P<name>{_NAME}) (?:{_SAID})\b"),
)
_MANNER = "笑冷怒大又便忙连連应應哭叹嘆劝勸喝回低高接急惊驚喜乃遂因即也都点點头頭摇搖问問答叫喊骂罵悄"
_PRONOUNS = frozenset({"He", "She", "They", "It", "I", "We", "You", "The"})


@dataclass(frozen=True)
class Utterance:
    """A quotation with its marks, and where its speaker is named: code points in the text; -1 where nobody is."""

    start: int
    end: int
    name_start: int = -1
    name_end: int = -1


def utterances(text: str) -> Iterator[Utterance]:
    """The quotations of a text, in order; none reaches over a line end."""
    for quoted in _QUOTED.finditer(text):
        start, end = quoted.span()
        yield Utterance(start, end, *_speaker(text, start, end))


def _speaker(text: str, start: int, end: int) -> tuple[int, int]:
    line = max(text.rfind("\n", 0, start) + 1, start - _WINDOW)
    stop = text.find("\n", end, end + _WINDOW)
    after = text[end : stop if stop >= 0 else end + _WINDOW]
    found = next((m for p in _BEFORE if (m := p.search(text[line:start]))), None)
    at = line
    if found is None:
        found, at = next((m for p in _AFTER if (m := p.match(after))), None), end
    if found is None:
        return -1, -1
    name = found["name"].rstrip(_MANNER)
    first = at + found.start("name")
    return (first, first + len(name)) if 1 < len(name) <= 24 and name not in _PRONOUNS else (-1, -1)

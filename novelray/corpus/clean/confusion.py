"""Common wrong characters in Chinese phrases, corrected where no name is touched.

All phrases are looked for at once: the text's code points are looked up as pairs, and only where a phrase's last two
characters stand is anything compared. The cost hardly depends on the number of phrases.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache

from novelray.corpus.alphabet import Pairs
from novelray.corpus.clean.confusion_table import TABLE

NAME_EVIDENCE = 2
"""A phrase that stands this often in a book where only a name can stand is a name in this book."""

_BEFORE_NAME = re.compile(r"(?:姓|名叫|名唤|名喚|名为|名為|唤作|喚作|叫做|叫作|人称|人稱|绰号|綽號)[“‘「『]?\Z")
_AFTER_NAME = re.compile(
    r"先生|小姐|太太|夫人|女士|公子|姑娘|少爷|少爺|老师|老師|师傅|師傅|大人|将军|將軍|"
    r"(?:[冷苦微笑喝叫怒大]{0,2}[道曰]|说道?|說道?|问道?|問道?|答道?|喊道?)[：，:“「『]"
)
_LATIN = re.compile(r"[A-Za-z0-9_]")


@dataclass(frozen=True)
class Phrase:
    """A wrong phrase. It is right as it stands before or after one of the characters given."""

    wrong: str
    right: str
    not_before: str = ""
    not_after: str = ""


Place = tuple[int, Phrase]


@dataclass(frozen=True)
class _Index:
    pairs: Pairs
    phrases: dict[str, tuple[Phrase, ...]]  # by their last two characters


def correct(
    text: str, letters: set[str], corrections: dict[str, str], own: bool, names: tuple[str, ...]
) -> tuple[str, Counter[str]]:
    """The corrected text and the counts `confusions` and `names_kept`."""
    phrases = _phrases(tuple(sorted(corrections.items())), own)
    present = tuple(p for p in phrases if letters.issuperset(p.wrong))
    if not present:
        return text, Counter()
    changes: Counter[str] = Counter()
    index = _index(present)
    around = max(len(p.wrong) for p in present)
    again = True
    while again:
        found = _found(text, index)
        kept = _kept(text, found, names)
        edits = [place for place, keep in zip(found, kept, strict=True) if not keep]
        changes["names_kept"] = sum(kept)
        changes["confusions"] += len(edits)
        text, near = _edited(text, edits, around)
        again = bool(_found(near, index))  # a correction can complete another phrase
    return text, +changes


@lru_cache(maxsize=8)
def _phrases(corrections: tuple[tuple[str, str], ...], own: bool) -> tuple[Phrase, ...]:
    given = {wrong: Phrase(wrong, right) for wrong, right in corrections}
    ours = (Phrase(*row) for row in TABLE) if own else ()
    return (*given.values(), *(p for p in ours if p.wrong not in given))


@lru_cache(maxsize=8)
def _index(phrases: tuple[Phrase, ...]) -> _Index:
    by_pair: defaultdict[str, list[Phrase]] = defaultdict(list)
    for phrase in phrases:
        by_pair[phrase.wrong[-2:]].append(phrase)
    return _Index(Pairs.of(by_pair), {pair: tuple(group) for pair, group in by_pair.items()})


def _found(text: str, index: _Index) -> list[Place]:
    """Wrong phrases and where they stand, in order, none overlapping another; of two at one place the longer."""
    places = [
        (end - len(phrase.wrong), phrase)
        for end in (place + 2 for place in index.pairs.places(text))
        for phrase in index.phrases.get(text[end - 2 : end], ())
        if text.endswith(phrase.wrong, 0, end) and _is_wrong(phrase, text, end)
    ]
    found: list[Place] = []
    done = 0
    for at, phrase in sorted(places, key=lambda place: (place[0], -len(place[1].wrong))):
        if at >= done:
            found.append((at, phrase))
            done = at + len(phrase.wrong)
    return found


def _is_wrong(phrase: Phrase, text: str, end: int) -> bool:
    start = end - len(phrase.wrong)
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    if (after and after in phrase.not_before) or (before and before in phrase.not_after):
        return False
    inside_word = _LATIN.match(phrase.wrong[0]) and _LATIN.match(before or " ")
    return not (inside_word or (_LATIN.match(phrase.wrong[-1]) and _LATIN.match(after or " ")))


def _kept(text: str, found: list[Place], names: tuple[str, ...]) -> list[bool]:
    """For each place, whether it is (part of) a name: one of the user's, or one that the book itself shows."""
    shown = Counter(p.wrong for at, p in found if _stands_as_name(text, at, at + len(p.wrong)))
    by_letter = [(name, set(name)) for name in names]
    return [
        shown[p.wrong] >= NAME_EVIDENCE
        or any(letters.intersection(p.wrong) and _overlaps(text, at, len(p.wrong), name) for name, letters in by_letter)
        for at, p in found
    ]


def _stands_as_name(text: str, start: int, end: int) -> bool:
    return bool(_BEFORE_NAME.search(text[max(0, start - 4) : start]) or _AFTER_NAME.match(text[end : end + 8]))


def _overlaps(text: str, at: int, length: int, name: str) -> bool:
    start = max(0, at - len(name) + 1)
    return name in text[start : at + length + len(name) - 1]


def _edited(text: str, edits: list[Place], around: int) -> tuple[str, str]:
    """The corrected text, and the places where something was changed with `around` characters on both sides."""
    parts: list[str] = []
    near: list[str] = []
    done = 0
    for at, phrase in edits:
        end = at + len(phrase.wrong)
        parts += [text[done:at], phrase.right]
        near.append(text[max(done, at - around) : at] + phrase.right + text[end : end + around])
        done = end
    return "".join([*parts, text[done:]]), "\n".join(near)

"""Who thinks and feels in English narration: names, titles and pronouns, without a model.

A name with its title is one person. A pronoun stands for the last person named whom it
fits and whom the sentence may have been about.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from novelray.corpus.quality import words as w


def both_cases(words: str) -> frozenset[bytes]:
    """Words as they stand inside a sentence, at its head and in a heading."""
    return frozenset(f"{words} {words.title()} {words.upper()}".encode().split())


HE, SHE = both_cases("he his him himself"), both_cases("she her hers herself")
_MIND, _STATE, _FEELING = (
    frozenset(word.encode() for word in listed) for listed in (w.EN_MENTAL, w.EN_STATES, w.EN_FEELINGS)
)
_BE = frozenset(b"was were be been felt".split())
_BETWEEN = _BE | frozenset(
    b"had could did not never always still only now then also have so very too quite much more most by no means".split()
)
_PLACE = frozenset(b"in at near towards through over across the on every".split())
_OBLIQUE = frozenset(b"to of with for from by and than as about upon towards against".split())
_TITLES = dict.fromkeys((b"Mr", b"Sir", b"Lord", b"Colonel", b"Captain", b"Uncle", b"King"), "he") | dict.fromkeys(
    (b"Mrs", b"Miss", b"Lady", b"Madame", b"Aunt", b"Queen"), "she"
)
_NO_NAMES = frozenset(
    b"""The And But Then There It This That These Those When While If So For At In On One Nobody They She He You His Her
    Chapter Monday Tuesday Wednesday Thursday Friday Saturday Sunday""".split()
) | frozenset(_TITLES)

_LONG = 400  # words


def minds(words: list[bytes]) -> Counter[str]:
    """Who is said to think, to feel or to be moved, with how often; by name, or "he" and "she" where none fits."""
    words = _titled(words)
    people = _People(words)
    found: Counter[str] = Counter()
    for place in range(len(words)):
        people.meet(place)
        if (subject := _subject(words, place)) >= 0 and (who := people.who(words[subject])):
            found[who] += 1
    return found


def _titled(words: list[bytes]) -> list[bytes]:
    """Titles joined with the name that follows."""
    joined: list[bytes] = []
    for word in words:
        if joined and joined[-1] in _TITLES and word.istitle():
            joined[-1] += b" " + word
        else:
            joined.append(word)
    return joined


def _subject(words: list[bytes], place: int) -> int:
    """Where the person stands of whom a word of inner life is said; -1 where the word is not one."""
    word, back = words[place], place - 1
    if word in _FEELING:
        return back - (back > 0 and words[back] == b"s")  # hers, or Jane's
    if word not in _MIND and word not in _STATE:
        return -1
    while back >= max(0, place - 5) and (words[back] in _BETWEEN or words[back].endswith(b"ly")):
        back -= 1
    if word not in _MIND and not _BE.intersection(words[back + 1 : place]):
        return -1
    return back


class _People:
    """The people named in a passage, and who was named last."""

    def __init__(self, words: list[bytes]) -> None:
        self.words = words
        common = {word for word in words if word.islower()}
        named = Counter(word for word in words if word.istitle() and len(word) > 2 and word.lower() not in common)
        placed = Counter(word for before, word in pairwise(words) if before in _PLACE)
        often = 2 if len(words) >= _LONG else 1  # a word that stands once may only begin a sentence
        self.names = {name for name, n in named.items() if n >= often and placed[name] <= n / 4} - _NO_NAMES
        self.pronoun = self._pronouns()
        self.last: dict[str, bytes] = {}

    def _pronouns(self) -> dict[bytes, str]:
        """The pronoun of each name: by its title, or by the pronouns that follow it."""
        near: dict[bytes, Counter[bytes]] = {name: Counter() for name in self.names}
        for place, word in enumerate(self.words):
            if word in self.names:
                near[word].update(self.words[place + 1 : place + 10])
        fitting = {name: n[b"he"] >= n[b"she"] for name, n in near.items()}
        return {name: _TITLES.get(name.split()[0]) or ("he" if he else "she") for name, he in fitting.items()}

    def meet(self, place: int) -> None:
        """Go on to a word: a name stands behind its pronoun from here on, if its sentence may be about it."""
        name = self.words[place]
        owner = self.words[place + 1 : place + 2] == [b"s"]
        if name in self.names and not owner and not (place and self.words[place - 1] in _OBLIQUE):
            self.last[self.pronoun[name]] = name

    def who(self, word: bytes) -> str:
        """The person behind a word, "" for none."""
        if word in self.names:
            return word.decode("latin-1")
        pronoun = "he" if word in HE else "she" if word in SHE else ""
        return self.last[pronoun].decode("latin-1") if pronoun in self.last else pronoun

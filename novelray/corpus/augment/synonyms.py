"""Words replaced by words of the same meaning, where the text shows clearly enough that they are.

Never replaced: names, words of one character, words inside quotation marks unless asked for, and English words that
could be several parts of speech. English words keep their case and their inflection, and `a` and `an` follow.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from novelray.corpus.augment.english import PASTS, article_for, bases, inflect
from novelray.corpus.augment.thesaurus import Thesaurus


def _until(opening: str, closing: str) -> str:
    """A pattern: after `opening`, up to `closing`, or without one up to the end of the paragraph."""
    return rf"(?<={opening})[^{closing}\n]*(?:\n(?!\s*\n)[^{closing}\n]*)*"


QUOTE = '"'
_QUOTED = re.compile(  # begins with a set of characters, which is found fast
    rf"[“「『\"‘'](?:{_until('“', '”')}|{_until('「', '」')}|{_until('『', '』')}|{_until(QUOTE, QUOTE)}\"?"
    r"|(?<!\w.)[^’'\n]*(?:(?:[’'](?=\w)|\n(?!\s*\n))[^’'\n]*)*)"
)
_WORD = re.compile(r"([A-Za-z]+(?:['’][A-Za-z]+)*)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAYING = _words(
    """
    道 曰 说 說 问 問 答 笑 说道 說道 问道 問道 笑道 忙道 答道 便道 叫道 喝道 骂道 罵道 叹道 嘆道
    """
)
_START = re.compile(r"(?:^|[.!?…:]|\n)[^\w]*$")
_NOUN_AFTER = _words(
    """
    a an the my your his her its our their this that these those some any no each every
    """
)
_VERB_AFTER = _words(
    """
    to will would shall should can could may might must cannot didn't don't doesn't didn’t don’t doesn’t i we they
    he she it who
    """
)
_CLOSED = _words(
    """
    have having been being were with will would what when where which while this that these those then than them
    they there their from into upon over under about above after before between through during without within
    against such some many much more most very well only even ever never here just like made make said same shall
    should could might must does done doing went gone come came left upon thus yet also both either neither each
    every other another one two three four five six seven eight nine ten hundred thousand first second third last
    next lord lady miss mister madam sir king queen prince princess captain colonel doctor god heaven
    """
)


def replace_words(
    scenes: Sequence[str], language: str, thesaurus: Thesaurus, rate: float, dialogue: bool, rng: random.Random
) -> list[str]:
    """Each scene with at most `rate` of its words replaced. The scenes as they are where no word can be."""
    replace = _english if language == "en" else _chinese
    return [replace(scene, thesaurus, rate, dialogue, rng) for scene in scenes]


def _chinese(text: str, thesaurus: Thesaurus, rate: float, dialogue: bool, rng: random.Random) -> str:
    import rjieba

    words, table = rjieba.cut(text), thesaurus.zh
    found = [i for i, word in enumerate(words) if word in table]
    if not found:
        return text
    speakers = {words[i] for i in found if i + 1 < len(words) and words[i + 1] in _SAYING}
    found = [i for i in found if words[i] not in speakers]
    total = sum(map(str.isalnum, words))
    for i in _some(found, words, text, int(rate * total), dialogue, rng):
        words[i] = rng.choice(table[words[i]])
    return "".join(words)


def _english(text: str, thesaurus: Thesaurus, rate: float, dialogue: bool, rng: random.Random) -> str:
    pieces = _WORD.split(text)  # a word at every odd place
    words = pieces[1::2]
    unique = set(words)
    known = {word for word in unique if _readings(word.lower(), thesaurus)}
    found = [2 * i + 1 for i, word in enumerate(words) if word in known]
    if not found:
        return text
    lower = {word for word in unique if word.islower()}
    limit, changed = int(rate * len(words)), 0
    for i in _some(found, pieces, text, len(found), dialogue, rng):
        if changed >= limit:
            break
        new = _synonym(pieces, i, lower, thesaurus, rng)
        if new:
            pieces[i] = new
            changed += 1
            _mend_article(pieces, i)
    return "".join(pieces)


def _some(
    found: Sequence[int], pieces: Sequence[str], text: str, count: int, dialogue: bool, rng: random.Random
) -> list[int]:
    """At most `count` of the found places, drawn at random; none inside quotation marks unless dialogue is open."""
    if not dialogue:
        spans = [(m.start(), m.end()) for m in _QUOTED.finditer(text)]
        starts = [start for start, _ in spans]
        offsets = [0, *accumulate(map(len, pieces))]
        found = [i for i in found if not _inside(offsets[i], starts, spans)]
    return rng.sample(found, min(count, len(found)))


def _inside(offset: int, starts: Sequence[int], spans: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(starts, offset) - 1
    return at >= 0 and offset < spans[at][1]


def _synonym(pieces: Sequence[str], i: int, lower: set[str], thesaurus: Thesaurus, rng: random.Random) -> str:
    """A word for the one at place `i`, in its form and case; empty when it may be a name or is not clear."""
    word = pieces[i]
    if not word.islower() and not (word.istitle() and word.lower() in lower and _starts_sentence(pieces, i)):
        return ""
    readings = _readings(word.lower(), thesaurus)
    if len(readings) > 1:
        before = pieces[i - 2].lower() if i > 1 and pieces[i - 1].isspace() else ""
        wanted = "n" if before in _NOUN_AFTER else "v" if before in _VERB_AFTER else None
        readings = {pos: words for pos, words in readings.items() if pos == wanted}
    if len(readings) != 1:
        return ""
    (words,) = readings.values()
    new = words[0] if len(words) == 1 else rng.choice(words)
    return new.capitalize() if word.istitle() else new


def _starts_sentence(pieces: Sequence[str], i: int) -> bool:
    return i == 1 or _START.search(pieces[i - 1][-8:]) is not None


def _readings(word: str, thesaurus: Thesaurus) -> dict[str, tuple[str, ...]]:
    """What a form can be, by part of speech: the synonyms, each in that form."""
    known = thesaurus.forms.get(word)
    if known is None:
        known = thesaurus.forms[word] = _looked_up(word, thesaurus)
    return known


def _looked_up(word: str, thesaurus: Thesaurus) -> dict[str, tuple[str, ...]]:
    if len(word) < 4 or word in _CLOSED or word in PASTS:
        return {}
    found = dict(thesaurus.en.get(word, {}))
    for base, ending in bases(word):
        known = thesaurus.en.get(base, {})
        for pos in ("n", "v") if ending == "s" else ("v",):
            inflected = tuple(form for w in known.get(pos, ()) if (form := inflect(w, ending)))
            if inflected:
                found[pos] = (*found.get(pos, ()), *inflected)
    return found


def _mend_article(pieces: list[str], i: int) -> None:
    """`a` or `an` before the word at place `i`."""
    if i > 1 and pieces[i - 1] == " " and pieces[i - 2].lower() in ("a", "an"):
        article = article_for(pieces[i])
        pieces[i - 2] = article.capitalize() if pieces[i - 2][0] == "A" else article

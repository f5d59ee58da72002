"""Words replaced by words of the same meaning, where the text shows clearly enough that they are.

Never replaced: names, words of one character, what stands beside a quotation in its sentence (`he said softly`), words
inside quotation marks unless asked for, and English words that could be several parts of speech or begin with a capital
letter. English words keep their inflection, and `a` and `an` follow.
"""

from __future__ import annotations

import random
import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from itertools import accumulate

from novelray.corpus.augment.english import PASTS, article_for, bases, inflect
from novelray.corpus.augment.paragraphs import has_blank_lines
from novelray.corpus.augment.thesaurus import Thesaurus


def _until(opening: str, closing: str) -> str:
    """A pattern: after `opening`, up to `closing`, or without one up to the end of the paragraph."""
    return rf"(?<={opening})[^{closing}\n]*(?:\n(?!\s*\n)[^{closing}\n]*)*"


QUOTE = '"'
_QUOTED = re.compile(  # begins with a set of characters, which is found fast
    rf"[“「『\"‘'](?:{_until('“', '”')}|{_until('「', '」')}|{_until('『', '』')}|{_until(QUOTE, QUOTE)}\"?"
    r"|(?<!\w.)[^’'\n]*(?:(?:[’'](?=\w)|\n(?!\s*\n))[^’'\n]*)*)"
)
_SAID = re.compile(
    r"[曰道云说說][:：](?!\s*[“「『\"‘'])[^\n]*"
)  # speech without quotation marks, as old editions have it
_STOP = r"[。！？!?…]|(?<!\bMr)(?<!\bMrs)(?<!\bDr)(?<!\bSt)\.(?=\s)"
_LINE_ENDS = re.compile(rf"{_STOP}|\n")
_BLANK_ENDS = re.compile(rf"{_STOP}|\n\s*\n")
_WORD = re.compile(r"([A-Za-z]+(?:['’][A-Za-z]+)*)")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAYING = _words(
    """
    道 曰 说 說 问 問 答 笑 说道 說道 问道 問道 笑道 忙道 答道 便道 叫道 喝道 骂道 罵道 叹道 嘆道
    """
)
_TITLES = _words(
    """
    先生 小姐 太太 姑娘 公子 少爷 少爺 夫人 老爷 老爺 师父 師父 师傅 師傅 大人 将军 將軍 丫头 丫頭 大哥 大嫂 道人
    和尚 老师 老師 同志 医生 醫生
    """
)
_CALLED = _words("名叫 叫做 叫作 名唤 名喚 唤作 喚作 名为 名為 号称 號稱 人称 人稱")
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
    """Each scene of a chapter with at most `rate` of its words replaced; as it is where no word can be."""
    if language == "en":
        return [_english(scene, thesaurus, rate, dialogue, rng) for scene in scenes]
    return _chinese(scenes, thesaurus, rate, dialogue, rng)


def _chinese(scenes: Sequence[str], thesaurus: Thesaurus, rate: float, dialogue: bool, rng: random.Random) -> list[str]:
    import rjieba

    table, cut = thesaurus.zh, [rjieba.cut(scene) for scene in scenes]
    names = {name for words in cut for name in _names(words, table)}
    for text, words in zip(scenes, cut, strict=True):
        found = [i for i, word in enumerate(words) if word in table and word not in names]
        total = sum(map(str.isalnum, words))
        for i in _some(found, words, text, int(rate * total), dialogue, rng):
            words[i] = rng.choice(table[words[i]])
    return ["".join(words) for words in cut]


def _names(words: Sequence[str], table: Collection[str]) -> Iterator[str]:
    """Words of the table that are somebody's name here (平安, 如意): they speak, have a title, or are called so."""
    padded = ["", *words, "", "", ""]
    for i, word in enumerate(words, 1):
        if word in table:
            before, after = padded[i - 1], padded[i + 1]
            subject = not before.isalnum() and not _SAYING.isdisjoint(padded[i + 1 : i + 4])  # 平安冷笑道
            if subject or after in _SAYING or after in _TITLES or before in _CALLED:
                yield word


def _english(text: str, thesaurus: Thesaurus, rate: float, dialogue: bool, rng: random.Random) -> str:
    pieces = _WORD.split(text)  # a word at every odd place
    words = pieces[1::2]
    known = {word for word in set(words) if _readings(word, thesaurus)}  # the table knows no capital letters
    found = [2 * i + 1 for i, word in enumerate(words) if word in known]
    limit, changed = int(rate * len(words)), 0
    for i in _some(found, pieces, text, len(found), dialogue, rng):
        if changed >= limit:
            break
        new = _synonym(pieces, i, thesaurus, rng)
        if new:
            pieces[i] = new
            changed += 1
            _mend_article(pieces, i)
    return "".join(pieces)


def _some(
    found: Sequence[int], pieces: Sequence[str], text: str, count: int, dialogue: bool, rng: random.Random
) -> list[int]:
    """At most `count` of the found places, drawn at random, none of them where it belongs to somebody's speech."""
    if not found:
        return []
    closed = list(_closed(text, dialogue))
    starts = [start for start, _ in closed]
    offsets = [0, *accumulate(map(len, pieces))]
    found = [i for i in found if not _inside(offsets[i], starts, closed)]
    return rng.sample(found, min(count, len(found)))


def _closed(text: str, dialogue: bool) -> Iterator[tuple[int, int]]:
    """Where no word is replaced, in order: sentences in which someone speaks, without the speech if it is open."""
    stops = _BLANK_ENDS if has_blank_lines(text) else _LINE_ENDS
    ends = [0, *(m.end() for m in stops.finditer(text)), len(text)]
    end = 0
    for start, stop in sorted(m.span() for pattern in (_QUOTED, _SAID) for m in pattern.finditer(text)):
        first = max(end, ends[bisect_right(ends, start) - 1])
        end = max(end, ends[min(bisect_right(ends, stop), len(ends) - 1)])  # a stop before the closing mark is none
        yield from [(first, start), (stop, end)] if dialogue else [(first, end)]


def _inside(offset: int, starts: Sequence[int], spans: Sequence[tuple[int, int]]) -> bool:
    at = bisect_right(starts, offset) - 1
    return at >= 0 and offset < spans[at][1]


def _synonym(pieces: Sequence[str], i: int, thesaurus: Thesaurus, rng: random.Random) -> str:
    """A word for the one at place `i`, in its form; empty when its meaning is not clear."""
    readings = _readings(pieces[i], thesaurus)
    if len(readings) > 1:
        before = pieces[i - 2].lower() if i > 1 and pieces[i - 1].isspace() else ""
        wanted = "n" if before in _NOUN_AFTER else "v" if before in _VERB_AFTER else None
        readings = {pos: words for pos, words in readings.items() if pos == wanted}
    if len(readings) != 1:
        return ""
    (words,) = readings.values()
    return rng.choice(words)


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

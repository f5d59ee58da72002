"""Words broken with a hyphen at a line's end: joined, or left with their hyphen, as the book itself writes them.

A hyphen at the end of a line is either part of the word (`dining-parlour`) or put there by the typesetter. The book's
other pages decide: the form that it uses elsewhere is right. Where it uses neither, what most of its hyphens at line
ends were found to be decides; in a book whose words are broken, two parts that are words keep their hyphen.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

BROKEN = "\x02"  # stands for a hyphen at a line's end, also in what PDFs give
TIGHT = "\x03"  # stands after a dash at a line's end, which no space follows
FEW = 20  # broken words that are looked for one by one
LONGEST_WORD = 40
_BEFORE = re.compile(r"[A-Za-zÀ-ɏ]+$")
_AFTER = re.compile(r" ?([A-Za-zÀ-ɏ]+)")
_PUNCTUATION = "“”‘’\"'.,;:!?()[]_—*"


def mark_hyphens(text: str) -> str:
    """The text with a mark in place of each hyphen, and after each dash, at the end of a line; `settle` ends it."""
    for dash in ("—", "--"):
        if f"{dash}\n" in text:
            text = text.replace(f"{dash}\n", f"{dash}{TIGHT}\n").replace(f" {dash}{TIGHT}\n", f" {dash}\n")
    return text.replace("-\n", f"{BROKEN}\n").replace("\u00ad\n", f"{BROKEN}\n")


def settle(text: str, done: Counter[str]) -> str:
    """The text with each broken word joined or with its hyphen; `done["hyphens_joined"]` counts the former."""
    if TIGHT in text:
        text = text.replace(f"{TIGHT} ", "").replace(TIGHT, "")
    if BROKEN not in text:
        return text
    pieces = text.split(BROKEN)
    words = [_around(left, right) for left, right in pairwise(pieces)]
    hyphens = _decide(words, _known_words(text))
    out = [pieces[0]]
    for word, hyphen, right in zip(words, hyphens, pieces[1:], strict=True):
        done["hyphens_joined"] += not hyphen
        out += ["-" if hyphen else "", right.removeprefix(" ") if word else right]
    return "".join(out)


def _around(left: str, right: str) -> tuple[str, str] | None:
    """The letters on both sides of a mark; None where it is no hyphen inside a word."""
    before, after = _BEFORE.search(left[-LONGEST_WORD:]), _AFTER.match(right[: LONGEST_WORD + 1])
    return (before[0], after[1]) if before and after else None


def _decide(words: list[tuple[str, str] | None], known: Callable[[str], bool]) -> list[bool]:
    """Whether each word has a hyphen of its own."""
    sure = [_known_form(*word, known) if word else True for word in words]
    breaks = sum(form is False for form in sure) > sum(
        form is True for form, word in zip(sure, words, strict=True) if word
    )
    found = []
    for form, word in zip(sure, words, strict=True):
        if form is None:
            assert word is not None
            form = not breaks or (known(word[0]) and known(word[1]))
        found.append(form)
    return found


def _known_form(before: str, after: str, known: Callable[[str], bool]) -> bool | None:
    """True: the book writes the word with a hyphen; False: without; None: it does not stand in it otherwise."""
    if after[0].isupper() or known(f"{before}-{after}"):
        return True
    return False if known(before + after) else None


def _known_words(text: str) -> Callable[[str], bool]:
    """Whether a word stands in the text, whatever its case and the punctuation around it."""
    lowered = text.lower()
    if text.count(BROKEN) <= FEW:
        return lambda word: _stands(word.lower(), lowered)
    words = {w.strip(_PUNCTUATION) for w in set(lowered.split())}
    return lambda word: word.lower() in words


def _stands(word: str, text: str) -> bool:
    """Whether `word` stands in `text` between other signs than letters; the first hundred places are looked at."""
    place = -1
    for _ in range(100):
        place = text.find(word, place + 1)
        if place < 0:
            return False
        around = text[max(0, place - 1) : place] + text[place + len(word) : place + len(word) + 1]
        if not any(map(str.isalpha, around)) and BROKEN not in around:
            return True
    return False

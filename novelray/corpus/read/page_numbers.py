"""Page numbers that a format or a typist left in a text, alone in their lines or in brackets amid it."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.alphabet import table
from novelray.corpus.native import compiled

_native = compiled("lines")

_LONGEST_NUMBER = 4  # digits of a page's number
_NUMBER = re.compile(r"[0-9][0-9]{0,3}(?=[ \t]*(?:[-–—·\]}页頁/，,]|of[ \t]|\n|\Z))")
_NUMBER_SIGNS = (
    "\n-",
    " -\n",
    "\n–",
    " –\n",
    "\n—",
    " —\n",
    "Page ",
    "PAGE ",
    "[",
    "{",
    "页",
    "頁",
)  # one has to stand
_NUMBERED_LINES = (  # the lines that are page numbers: - 12 -, Page 12 of 300, 第12页
    re.compile(r"[-–—·][ \t]*[0-9]{1,4}[ \t]*[-–—·]"),
    re.compile(r"(?:Page|PAGE|page)[ \t]+[0-9]{1,4}(?:[ \t]+of[ \t]+[0-9]{1,4})?"),
    re.compile(r"第[ \t]*[0-9]{1,4}[ \t]*[页頁](?:[ \t/，,]*共[ \t]*[0-9]{1,4}[ \t]*[页頁])?"),
)
_PAGE_ANCHOR = re.compile(r"[\[{](?:Pg\.?|[Pp]age|p\.)?[ \u00a0]?([0-9]{1,4})[\]}]")  # [Pg 12], {12}


Span = tuple[int, int, str]
"""Start and end of what goes from a text, and the kind under which it is counted."""


def page_numbers(text: str) -> Iterator[Span]:
    """Numbers that a format or a typist put at pages' edges, where at least three rise one after the other."""
    found: list[list[tuple[int, Span]]] = [[] for _ in range(len(_NUMBERED_LINES) + 1)]
    for number in _numbers(text):
        start, end = text.rfind("\n", max(0, number.start() - 40), number.start()) + 1, number.end() + 40
        after = text.find("\n", number.end(), end)
        end = after + 1 if after >= 0 else min(end, len(text))
        line = text[start:end].strip(" \t\u3000\n")
        for kind, pattern in enumerate(_NUMBERED_LINES):
            if len(line) < 40 and pattern.fullmatch(line) and (not found[kind] or found[kind][-1][1][0] != start):
                found[kind].append((int(number[0]), (start, end, "page_numbers")))
        if anchor := _PAGE_ANCHOR.search(text, max(start, number.start() - 8), min(number.end() + 1, len(text))):
            is_note = anchor[0][0] == "[" and anchor[0][1].isdigit()
            if not is_note:
                found[-1].append((int(anchor[1]), (anchor.start(), anchor.end(), "page_numbers")))
    rising = [span for kind_found in found if _rise([value for value, _ in kind_found]) for _, span in kind_found]
    # The signs are looked for last: it takes longest. One character is found faster than several.
    if rising and any(sign.strip()[0] in text and sign in text for sign in _NUMBER_SIGNS):
        yield from rising


def _numbers(text: str) -> Iterator[re.Match[str]]:
    """The numbers that something follows which may follow a page's."""
    if _native is None:
        yield from _NUMBER.finditer(text)
        return
    for start, end in _native.runs(text, _digits(), ord("0"), ord("9")):
        if match := _NUMBER.match(text, max(start, end - _LONGEST_NUMBER)):
            yield match


@cache
def _digits() -> NDArray[np.uint8]:
    return table(string.digits).view(np.uint8)


def _rise(numbers: Sequence[int]) -> bool:
    steps = sum(0 < b - a <= 5 for a, b in pairwise(numbers))
    return len(numbers) >= 3 and steps >= 0.8 * (len(numbers) - 1)

"""How a text lies in lines: how many breaks it has, and which of its lines begin with certain characters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from novelray.corpus.alphabet import SIZE
from novelray.corpus.native import compiled

_native = compiled("lines")

BLANKS = " \t\u3000"


class Breaks(NamedTuple):
    """How often one, two and three line breaks stand in a text, as `count` counts."""

    single: int
    double: int
    triple: int


def breaks(text: str) -> Breaks:
    """The line breaks of a text."""
    if _native is not None:
        return Breaks(*_native.breaks(text))
    return Breaks(text.count("\n"), text.count("\n\n"), text.count("\n\n\n"))


@dataclass(frozen=True)
class Heads:
    """Characters with which lines may begin, behind `BLANKS`; none of them is a blank or a line break."""

    wanted: str

    def places(self, text: str) -> Iterator[tuple[int, int]]:
        """Of each line that begins so, where it starts and where that character stands; never of the first line."""
        if _native is not None:
            yield from _native.heads(text, self._classes)
            return
        for match in self._pattern.finditer(text):
            yield match.start() + 1, match.end()

    @cached_property
    def _classes(self) -> NDArray[np.uint8]:
        classes = np.zeros(SIZE, np.uint8)
        classes[[ord(character) for character in self.wanted]] = 1
        classes[[ord(character) for character in BLANKS]] = 2
        return classes

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile(rf"\n[{BLANKS}]*+(?=[{re.escape(self.wanted)}])")

"""Offsets as the annotation tools count them, to code points and back.

Label Studio counts code points since late 2022, and UTF-16 code units (as JavaScript does) before; each region carries
its own text, which tells which. Doccano counts UTF-16 code units, or grapheme clusters where the project says so, and
its spans carry no text. Both count CR LF as they find it: two, or one grapheme cluster.
Sources: HumanSignal/label-studio issue 1347 and its editor's emoji tests; doccano/doccano issue 2290 and its editor.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np

Unit = Literal["codepoint", "utf16", "grapheme"]


class Offsets:
    """Offsets into one text as a tool has it. `lf` is the text with LF line ends, which code points refer to."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lf = text.replace("\r\n", "\n").replace("\r", "\n")
        self._starts: dict[Unit, np.ndarray] = {}

    def to_lf(self, start: int, end: int, unit: Unit) -> tuple[int, int] | None:
        """A tool's offsets as code points of `lf`; widened where they cut a character. None when out of the text."""
        starts = self._in_unit(unit)
        if not 0 <= start < end <= starts[-1]:
            return None
        first = int(np.searchsorted(starts, start, "right")) - 1
        last = int(np.searchsorted(starts, end, "left"))
        if unit == "grapheme":
            first, last = (int(_grapheme_starts(self.text)[i]) for i in (first, last))
        return self._without_cr(first), self._without_cr(last)

    def from_codepoint(self, offset: int, unit: Unit) -> int:
        """A code point offset of `text` in another unit; a place inside a grapheme cluster counts as its start."""
        if unit == "grapheme":
            return int(np.searchsorted(_grapheme_starts(self.text), offset, "right")) - 1
        return int(self._in_unit(unit)[offset])

    def _in_unit(self, unit: Unit) -> np.ndarray:
        """Where each character starts, counted in the unit, and where the text ends."""
        if unit not in self._starts:
            if unit == "grapheme":
                self._starts[unit] = np.arange(len(_grapheme_starts(self.text)))
            else:
                codes = np.frombuffer(self.text.encode("utf-32-le", "surrogatepass"), np.uint32)
                widths = 1 + (codes > 0xFFFF) if unit == "utf16" else np.ones(len(codes), np.int64)
                self._starts[unit] = np.concatenate(([0], np.cumsum(widths)))
        return self._starts[unit]

    def _without_cr(self, offset: int) -> int:
        return offset - self.text.count("\r\n", 0, offset) if "\r" in self.text else offset


@lru_cache(maxsize=4)
def _grapheme_starts(text: str) -> np.ndarray:
    """Code point offsets of the grapheme clusters (UAX 29), and the end of the text."""
    import regex

    return np.array([*(m.start() for m in regex.finditer(r"\X", text)), len(text)], np.int64)


def located(offsets: Offsets, start: int, end: int, text: str | None) -> tuple[int, int] | None:
    """Code points of a Label Studio region: of the two ways to count, the one whose stretch is the region's text.

    None when the offsets lie outside the text, or the region says another text than stands there.
    """
    found = [span for unit in _UNITS if (span := offsets.to_lf(start, end, unit)) is not None]
    if text is None or not found:
        return found[0] if found else None
    wanted = _bare(text)
    tests: tuple[Callable[[str], bool], ...] = (lambda s: s == wanted, lambda s: bool(wanted) and wanted in s)
    for test in tests:  # versions before 1.5 wrote only a part of the text of a region that was widened to words
        for span in found:
            if test(_bare(offsets.lf[slice(*span)])):
                return span
    return None


_UNITS: tuple[Unit, ...] = ("codepoint", "utf16")


def _bare(text: str) -> str:
    """Without whitespace: Label Studio writes a line end in a region's text as a backslash and an n."""
    return "".join(text.replace("\\n", "").split())

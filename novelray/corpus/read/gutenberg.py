"""Project Gutenberg's header and licence tail, taken off where its markers stand, so that they are not trained on."""

from __future__ import annotations

import re

_START = re.compile(r"^\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG.{0,400}?\*\*\*[ \t]*$", re.M | re.S | re.I)
_OLD_START = re.compile(r"^\*{1,2} ?END ?\*? ?THE SMALL PRINT!.*$", re.M | re.I)
_END = re.compile(
    r"^(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG|End of (?:the |this )?Project Gutenberg).*$", re.M | re.I
)
_CREDIT = re.compile(r"\s*(?:Produced by|E-text prepared by|This etext was prepared by)\b.*?(?:\n[ \t]*\n|\Z)", re.S)
_NOTE = re.compile(r"\s*\[[^\[\]]{0,1000}\]")  # bracketed notices of the old small print


def strip_gutenberg(text: str) -> tuple[str, int]:
    """The text between the markers, and how many characters went with header, credit line and tail."""
    start, end = _start(text), len(text)
    tail = _END.search(text, max(start, len(text) // 2))
    if tail and (start or "gutenberg" in text[:5000].lower()):
        end = tail.start()
    if start:
        while note := _NOTE.match(text, start, end):
            start = note.end()
        credit = _CREDIT.match(text, start, end)
        start = credit.end() if credit else start
    return text[start:end], len(text) - (end - start)


def _start(text: str) -> int:
    third = len(text) // 3
    found = _START.search(text, 0, max(third, 5000))
    if found:
        return found.end()
    old = _OLD_START.search(text, 0, max(third, 20_000))
    return old.end() if old and "gutenberg" in text[:5000].lower() else 0

"""A book's file to its text: decoded, licence text and repeated titles taken off, everything counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from novelray.corpus.read.encodings import Unreadable, decode
from novelray.corpus.read.gutenberg import strip_gutenberg

__all__ = ["BookText", "Unreadable", "read_book"]


@dataclass(frozen=True)
class BookText:
    """A book as read. `chars`: characters in the file; `removed`: characters taken off, by kind."""

    title: str
    text: str
    encoding: str
    chars: int
    tail_bytes: int
    replaced: int
    removed: Counter[str]


def read_book(data: bytes, stem: str, encoding: str = "auto") -> BookText:
    """Decode a file. `stem` (the file's name without its ending) is the title. Raises Unreadable with the reason."""
    decoded = decode(data, encoding)
    removed: Counter[str] = Counter()
    whole = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    removed["carriage_returns"] = len(decoded.text) - len(whole)
    text, removed["gutenberg"] = strip_gutenberg(whole)
    text, removed["repeated_titles"] = _without_repeated_title(text, stem)
    return BookText(stem, text, decoded.encoding, len(decoded.text), decoded.tail_bytes, decoded.replaced, +removed)


def _without_repeated_title(text: str, stem: str) -> tuple[str, int]:
    """Some digitisations put the title, several times and with no line break, before and after the text."""
    start, end = 0, len(text)
    if stem and text.startswith(stem * 2):
        while text.startswith(stem, start):
            start += len(stem)
    if start and text.endswith(stem):
        end -= len(stem)
    return text[start:end], len(text) - (end - start)

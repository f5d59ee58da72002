"""A book as it is read: its text, what is known of it, and what was taken off; every character is accounted for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from novelray.corpus.read.meta import BookMeta

HEADING = "\ue000"
"""Marks a line that the book's format says is a heading; the level's digit follows. A private-use character."""

SCENE_BREAK = "* * *"
"""The line that stands for a break between scenes that the format marks (`<hr>`)."""


@dataclass(frozen=True)
class BookText:
    """A book as read. `chars == len(text) + sum(removed.values())`.

    `member`: its name inside the file, "" when the file is one book. `chars`: characters decoded from the file, markup
    included. `removed`: characters taken off by kind, negative where a step added some. `changes`: changes that are
    no loss (lines joined, ...), counted. `tail_bytes`: bytes of a cut-off last character; `replaced`: undecodable
    places. `problem`: why this member is set aside ("": it is not); then `text` is empty.
    """

    member: str = ""
    meta: BookMeta = field(default_factory=BookMeta)
    text: str = ""
    encoding: str = ""
    format: str = ""
    chars: int = 0
    tail_bytes: int = 0
    replaced: int = 0
    removed: Counter[str] = field(default_factory=Counter)
    problem: str = ""
    changes: Counter[str] = field(default_factory=Counter)

    @property
    def title(self) -> str:
        """The book's title."""
        return self.meta.title


@dataclass
class Draft:
    """A book while it is read: the text a format gives, before boilerplate and line breaks are dealt with.

    `lines`: the text is in lines as typed or printed (plain text), not in paragraphs that the format marks.
    """

    text: str
    meta: BookMeta = field(default_factory=BookMeta)
    encoding: str = ""
    format: str = ""
    chars: int = 0
    tail_bytes: int = 0
    replaced: int = 0
    lines: bool = False
    removed: Counter[str] = field(default_factory=Counter)
    changes: Counter[str] = field(default_factory=Counter)

    def edit(self, text: str, kind: str) -> None:
        """Put `text` in place of the text; the difference in characters is counted under `kind`."""
        self.removed[kind] += len(self.text) - len(text)
        self.text = text

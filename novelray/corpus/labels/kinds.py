"""What annotators were shown, and what they said of it. All offsets are code points in the chapter's text."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import xxhash


@dataclass(frozen=True)
class Item:
    """A stretch of a chapter that was shown: `start` to `end` in the chapter, whose digest and length came along."""

    corpus: str
    chapter_id: str
    digest: str
    chars: int
    start: int
    end: int
    text: str

    @property
    def key(self) -> tuple[str, int, int]:
        """What makes two items the same one."""
        return self.chapter_id, self.start, self.end

    def columns(self) -> dict[str, Any]:
        """The fields that go with the text through an annotation tool and come back with it."""
        values = {k: v for k, v in asdict(self).items() if k != "text"}
        return {**values, "piece": piece_digest(self.text)}


@dataclass(frozen=True, order=True)
class Span:
    """A labelled stretch. For an utterance the label is its tone, or "" where none was chosen."""

    start: int
    end: int
    label: str = ""
    speaker: str = ""
    addressee: str = ""


@dataclass(frozen=True)
class Annotation:
    """One person's answer to one layer on one item. No choice or span is an answer too, unless one was required."""

    item: Item
    layer: str
    annotator: str
    choices: frozenset[str] = frozenset()
    spans: tuple[Span, ...] = ()
    truth: bool = False  # marked as ground truth: it decides, whatever others said
    stamp: str = ""  # when it was last changed, as the tool wrote it
    file: str = ""


@dataclass(frozen=True)
class BadFile:
    """A label file that was set aside."""

    file: str
    reason: str


@dataclass
class Readings:
    """What a set of label files holds: answers, files set aside, and counts of parts that could not be used."""

    annotations: list[Annotation] = field(default_factory=list)
    quarantine: list[BadFile] = field(default_factory=list)
    problems: dict[tuple[str, str], int] = field(default_factory=dict)  # (file, reason) → how often

    def note(self, file: str, reason: str) -> None:
        """Count something that was left out."""
        self.problems[file, reason] = self.problems.get((file, reason), 0) + 1


def piece_digest(text: str) -> str:
    """xxh3-64 of a piece's text with LF line ends: whether a tool gave back the text it got."""
    return xxhash.xxh3_64_hexdigest(text.encode("utf-8", "surrogatepass"))

"""One book's bytes to its chapters: the pure work of one task. Every character of the file is accounted for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from novelray.corpus.clean import clean
from novelray.corpus.dedup import text_digest
from novelray.corpus.language import language_of
from novelray.corpus.read import BookText, read_book
from novelray.corpus.split import Piece, SplitBook, split_book
from novelray.recipe.corpus import CorpusSection

_SENTENCE = re.compile(r"[。！？!?…][”’」』\"']*|\.[”\"']*(?=\s)")


@dataclass(frozen=True)
class Chapter:
    """A chapter before it is known whether it is kept and in which split."""

    chapter_id: str
    book: str
    title: str
    index: int
    text: str
    language: str
    digest: str


@dataclass(frozen=True)
class BookReport:
    """What became of one book. Character counts: `chars` in the file = everything that follows it, added up."""

    book: str
    file: str
    sha256: str
    bytes: int
    encoding: str
    tail_bytes: int  # bytes of a character cut off at the file's end
    replaced: int  # places that could not be decoded
    rule: str
    confidence: float
    numbering: list[str]
    chapters: int
    cut: int  # pieces that came of chapters longer than corpus.max_chapter_chars
    languages: dict[str, int]  # chapters per language
    chars: int
    kept_chars: int
    removed_chars: dict[str, int]  # by what they were: gutenberg, cleaning, front, contents, short, between
    short_chapters: int
    changes: dict[str, int] = field(default_factory=dict)  # changes by kind

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def chapters_of(
    data: bytes, name: str, file: str, sha256: str, section: CorpusSection
) -> tuple[list[Chapter], BookReport]:
    """Read, clean and split a book. Raises Unreadable with the reason."""
    book = read_book(data, file.rpartition(".")[0] or file, section.read.encoding)
    text, changes = clean(book.text)
    split = split_book(text, book.title)
    removed = Counter(book.removed)
    removed["cleaning"] = len(book.text) - len(text)  # negative where a sign became a longer one
    for piece in split.pieces:
        if piece.kind != "chapter":
            removed[piece.kind] += piece.end - piece.start
    found: list[Chapter] = []
    short = cut = 0
    for piece in split.chapters:
        parts = list(_parts(text, piece, section.max_chapter_chars))
        cut += len(parts) if len(parts) > 1 else 0
        for title, part, body in parts:
            removed["between"] += len(part) - len(part.strip())
            part = part.strip()
            if len(part) < max(1, section.min_chapter_chars):
                short, removed["short"] = short + 1, removed["short"] + len(part)
                continue
            found.append(_chapter(sha256, name, title, len(found), part, body))
    report = _report(book, split, found, changes, removed, short, cut, (name, file, sha256, len(data)))
    return found, report


def _chapter(sha256: str, book: str, title: str, index: int, text: str, body: str) -> Chapter:
    # Without the heading: the same chapter under another number is still the same chapter.
    digest = text_digest(body) or text_digest(text)
    return Chapter(f"{sha256[:12]}:{index:05d}", book, title, index, text, language_of(text), digest)


def _parts(text: str, piece: Piece, limit: int) -> Iterator[tuple[str, str, str]]:
    """(title, text, body without heading) of a chapter, cut into pieces of at most `limit` characters."""
    if piece.end - piece.start <= limit:
        yield piece.title, text[piece.start : piece.end], text[piece.body : piece.end]
        return
    for number, part in enumerate(cut_at_paragraphs(text[piece.start : piece.end], limit), 1):
        yield f"{piece.title} ({number})", part, part[piece.body - piece.start :] if number == 1 else part


def cut_at_paragraphs(text: str, limit: int) -> Iterator[str]:
    """Consecutive parts of about the same size, at most `limit` characters each; sentences are cut only at need."""
    start = 0
    while len(text) - start > limit:
        rest = len(text) - start
        target = -(-rest // -(-rest // limit))
        end = _break(text, start + target // 2, start + min(limit, target + target // 10))
        yield text[start:end]
        start = end
    if start < len(text):
        yield text[start:]


def _break(text: str, low: int, high: int) -> int:
    """The last end of a paragraph in the window, else of a sentence, else its end."""
    paragraph = text.rfind("\n", low, high)
    if paragraph >= 0:
        return paragraph + 1
    ends = [m.end() for m in _SENTENCE.finditer(text, low, high)]
    return ends[-1] if ends else high


def _report(
    book: BookText,
    split: SplitBook,
    found: list[Chapter],
    changes: Counter[str],
    removed: Counter[str],
    short: int,
    cut: int,
    origin: tuple[str, str, str, int],
) -> BookReport:
    name, file, sha256, size = origin
    report = BookReport(
        book=name, file=file, sha256=sha256, bytes=size, encoding=book.encoding, tail_bytes=book.tail_bytes,
        replaced=book.replaced, rule=split.rule, confidence=split.confidence, numbering=split.numbering,
        chapters=len(found), cut=cut, languages=dict(sorted(Counter(c.language for c in found).items())),
        chars=book.chars, kept_chars=sum(len(c.text) for c in found),
        removed_chars={k: v for k, v in sorted(removed.items()) if v}, short_chapters=short,
        changes=dict(sorted(changes.items())),
    )  # fmt: skip
    assert report.chars == report.kept_chars + sum(report.removed_chars.values()), "a character is not accounted for"
    return report

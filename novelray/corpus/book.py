"""One book as read to its chapters: the pure work of one task. Every character of the book is accounted for."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from novelray.corpus.clean import clean
from novelray.corpus.dedup import text_digest
from novelray.corpus.language import language_of
from novelray.corpus.privacy import protect, protect_notes
from novelray.corpus.read import HEADING, BookText
from novelray.corpus.split import Piece, SplitBook, scenes, split_book
from novelray.recipe.corpus import CorpusSection

_SENTENCE = re.compile(r"[。！？!?…][”’」』\"']*|\.[”\"']*(?=\s)")
_SENTINEL = re.compile(f"(?m)^{HEADING}[1-6]")


@dataclass(frozen=True)
class Chapter:
    """A chapter before it is known whether it is kept and in which split; the fields are the corpus's columns.

    `scenes`: where each scene starts in `text`; the last three are filled in once the whole book has been measured.
    """

    chapter_id: str
    book: str
    author: str
    genre: str
    volume: str
    title: str
    index: int
    text: str
    language: str
    digest: str
    scenes: tuple[int, ...] = (0,)
    arc: float | None = None
    style_distance: float | None = None
    perspective: str = ""


@dataclass(frozen=True)
class BookReport:
    """What became of one book. `chars` in the book = `kept_chars` and everything in `removed_chars`, added up."""

    book: str
    file: str
    member: str  # its name inside the file, where that holds several books
    title: str
    author: str
    translator: str
    genre: str
    curated: bool | None
    sha256: str  # of the file
    format: str
    encoding: str
    tail_bytes: int  # bytes of a character cut off at the file's end
    replaced: int  # places that could not be decoded
    rule: str
    confidence: float
    numbering: list[str]
    chapters: int
    volumes: int
    scenes: int
    cut: int  # pieces that came of chapters longer than corpus.max_chapter_chars
    languages: dict[str, int]  # chapters per language
    chars: int
    kept_chars: int
    removed_chars: dict[str, int]  # by what they were: licence, cleaning, front, contents, notes, short, between, ...
    short_chapters: int
    changes: dict[str, int] = field(default_factory=dict)  # changes by kind
    privacy: dict[str, int] = field(default_factory=dict)  # personal data by kind

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Origin:
    """Where a book came from: its name in the corpus, its file, and the SHA-256 of that file."""

    book: str
    file: str
    sha256: str


def chapters_of(
    book: BookText, origin: Origin, section: CorpusSection, people: Sequence[str] = (), key: int = 0
) -> tuple[list[Chapter], BookReport]:
    """Clean, protect and split a book; the metadata in `book` is what the corpus will say of it.

    `people`: names of real persons that its notes may have, and `key` of their pseudonyms (`protect_notes`).
    """
    cleaned, changes = clean(book.text, section.clean)
    changes.update(book.changes)
    text, private = protect(cleaned, section.privacy)
    text, named = protect_notes(text, people, section.privacy, key)
    private += named
    split = split_book(text, book.meta.title or origin.book)
    removed = Counter(book.removed)
    removed["damaged"] = changes.pop("damaged", 0)
    removed["cleaning"] = len(book.text) - len(cleaned) - removed["damaged"]  # negative where a sign became longer
    removed["privacy"] = len(cleaned) - len(text)
    found: list[Chapter] = []
    short = cut = 0
    for piece in split.pieces:
        if piece.kind != "chapter":
            removed[piece.kind] += piece.end - piece.start
            continue
        parts = list(_parts(text, piece, section.max_chapter_chars))
        cut += len(parts) if len(parts) > 1 else 0
        for title, raw, body in parts:
            part = _without_sentinels(raw)
            removed["markup"] += len(raw) - len(part)
            stripped = part.strip()
            removed["between"] += len(part) - len(stripped)
            if len(stripped) < max(1, section.min_chapter_chars):
                short, removed["short"] = short + 1, removed["short"] + len(stripped)
                continue
            found.append(_chapter(book, origin, piece.volume, title, len(found), stripped, body))
    report = _report(book, origin, split, found, changes, private, removed, short, cut)
    return found, report


def _chapter(
    book: BookText, origin: Origin, volume: str, title: str, index: int, text: str, body: str
) -> Chapter:  # fmt: skip
    # Without the heading: the same chapter under another number is still the same chapter.
    digest = text_digest(_without_sentinels(body)) or text_digest(text)
    return Chapter(
        chapter_id=f"{_book_id(origin.sha256, book.member)}:{index:05d}", book=origin.book, author=book.meta.author,
        genre=book.meta.genre, volume=volume, title=_without_sentinels(title), index=index, text=text,
        language=language_of(text), digest=digest, scenes=tuple(scenes(text)),
    )  # fmt: skip


def _without_sentinels(text: str) -> str:
    return _SENTINEL.sub("", text) if HEADING in text else text  # to look is ten times as fast, and most have none


def _book_id(sha256: str, member: str) -> str:
    """12 hex digits: the file's, or for a book inside a file those of both names."""
    return hashlib.sha256(f"{sha256}/{member}".encode()).hexdigest()[:12] if member else sha256[:12]


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
    origin: Origin,
    split: SplitBook,
    found: Sequence[Chapter],
    changes: Counter[str],
    private: Counter[str],
    removed: Counter[str],
    short: int,
    cut: int,
) -> BookReport:
    meta = book.meta
    report = BookReport(
        book=origin.book, file=origin.file, member=book.member, title=meta.title, author=meta.author,
        translator=meta.translator, genre=meta.genre, curated=meta.curated, sha256=origin.sha256, format=book.format,
        encoding=book.encoding, tail_bytes=book.tail_bytes, replaced=book.replaced, rule=split.rule,
        confidence=split.confidence, numbering=split.numbering, chapters=len(found),
        volumes=len({c.volume for c in found if c.volume}), scenes=sum(len(c.scenes) for c in found), cut=cut,
        languages=_sorted(Counter(c.language for c in found)), chars=book.chars,
        kept_chars=sum(len(c.text) for c in found), removed_chars=_sorted(removed), short_chapters=short,
        changes=_sorted(changes), privacy=_sorted(private),
    )  # fmt: skip
    assert report.chars == report.kept_chars + sum(report.removed_chars.values()), "a character is not accounted for"
    return report


def without(report: BookReport, chapters: Sequence[Chapter]) -> BookReport:
    """The report of a book once chapters were left out because of their measures."""
    if not chapters:
        return report
    chars = sum(len(c.text) for c in chapters)
    languages = Counter(report.languages) - Counter(c.language for c in chapters)
    return replace(
        report, chapters=report.chapters - len(chapters), scenes=report.scenes - sum(len(c.scenes) for c in chapters),
        kept_chars=report.kept_chars - chars, languages=_sorted(languages),
        removed_chars=_sorted(Counter(report.removed_chars) + Counter({"arc": chars})),
    )  # fmt: skip


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {kind: count for kind, count in sorted(counts.items()) if count}

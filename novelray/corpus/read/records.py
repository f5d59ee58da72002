"""Books from records: JSON Lines, JSON arrays and Parquet; one record is a book or a chapter of one.

A record is an object. Its text stands under one of `TEXT_KEYS`. With a key of `BOOK_KEYS` it is a chapter of that book,
otherwise a book of its own; a book may also hold its chapters under `chapters`. Read one record after the other.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from novelray.corpus.read.book_text import HEADING, Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.meta import BookMeta, meta_of

TEXT_KEYS = ("text", "content", "body", "正文", "内容", "內容")
BOOK_KEYS = ("book", "book_id", "novel", "novel_id", "book_title", "书名", "書名")
CHAPTER_KEYS = ("chapter", "chapter_title", "chapter_name", "章节", "章節", "章节名", "章節名", "title", "标题", "標題")
NUMBER_KEYS = ("chapter_index", "chapter_number", "chapter_id", "index", "number", "order", "序号", "序號")
WINDOW = 1 << 20
BATCH_ROWS = 64
Record = dict[str, Any]
Found = tuple[str, Draft | str]
"""(member, draft) of a book, or (member, problem)."""


@dataclass
class _Open:
    """The book whose chapters are being collected."""

    key: str = ""
    meta: BookMeta = field(default_factory=BookMeta)
    chapters: list[tuple[float, str]] = field(default_factory=list)


def books_of_records(records: Iterable[tuple[str, Record | str]], kind: str) -> Iterator[Found]:
    """Books of (place, record) pairs; a str in place of a record is why it could not be read.

    A book's chapters follow one another; they are put in the order of their numbers. Chapters of a book that ended
    before are a problem, because only one book is held in memory.
    """
    book, done = _Open(), set[str]()
    for place, record in records:
        if isinstance(record, str):
            yield place, record
            continue
        lowered = {k.strip().lower(): v for k, v in record.items()}
        key = _value(lowered, BOOK_KEYS)
        if key and (has_text := bool(_text_of(lowered))) and key == book.key:
            _add(book, lowered)
            continue
        if book.key:
            yield _closed(book, kind)
            done.add(book.key)
            book = _Open()
        if key and has_text and key in done:
            yield f"{key} ({place})", "chapters of this book stand in several places of the file: sort it by book"
        elif key and has_text:
            book = _Open(
                key,
                meta_of(
                    {**_without(lowered, CHAPTER_KEYS), "title": _value(lowered, ("book_title", "书名", "書名")) or key}
                ),
            )
            _add(book, lowered)
        else:
            yield _whole(place, lowered, kind)
    if book.key:
        yield _closed(book, kind)


def _add(book: _Open, record: Record) -> None:
    number = next((record[k] for k in NUMBER_KEYS if isinstance(record.get(k), int | float)), len(book.chapters))
    book.chapters.append((float(number), _chapter(record)))


def _chapter(record: Record) -> str:
    """A chapter's text under its heading, unless it begins with that itself."""
    title, text = _value(record, CHAPTER_KEYS), _text_of(record)
    if not title or title.isdigit() or text.lstrip("\ufeff \t\r\n\u3000").startswith(title):
        return text
    return f"{HEADING}2{title}\n\n{text}"


def _closed(book: _Open, kind: str) -> Found:
    chapters = [text for _, text in sorted(book.chapters, key=lambda c: c[0])]
    return book.key, _draft("\n\n".join(chapters), book.meta, kind)


def _whole(place: str, record: Record, kind: str) -> Found:
    """A record that is a book by itself."""
    meta = meta_of(record)
    member = meta.title or _value(record, ("id", *BOOK_KEYS)) or place
    chapters = next((record[k] for k in ("chapters", "章节", "章節") if isinstance(record.get(k), list)), None)
    if chapters is not None:
        parts = [
            c if isinstance(c, str) else _chapter({k.lower(): v for k, v in c.items()})
            for c in chapters
            if isinstance(c, str | dict)
        ]
        text = "\n\n".join(part for part in parts if part)
    else:
        text = _text_of(record)
    if not text.strip():
        return member, f"{place} has no text; it is looked for under {', '.join(TEXT_KEYS[:3])}"
    return member, _draft(text, meta, kind)


def _draft(text: str, meta: BookMeta, kind: str) -> Draft:
    return Draft(text, meta=meta, encoding="utf-8", format=kind, chars=len(text), lines=True)


def _text_of(record: Record) -> str:
    for key in TEXT_KEYS:
        value = record.get(key)
        if isinstance(value, str) and value:
            return value
        if isinstance(value, list) and value and all(isinstance(v, str) for v in value):
            return "\n\n".join(value)
    return ""


def _value(record: Record, keys: Iterable[str]) -> str:
    value = next(
        (record[k] for k in keys if isinstance(record.get(k), str | int) and record[k] not in ("", True, False)), ""
    )
    return " ".join(str(value).split())[:300]


def _without(record: Record, keys: Iterable[str]) -> Record:
    return {k: v for k, v in record.items() if k not in keys}


def json_lines(stream: BinaryIO) -> Iterator[tuple[str, Record | str]]:
    """Records of JSON Lines in UTF-8, read line by line."""
    for number, line in enumerate(io.BufferedReader(stream, WINDOW) if isinstance(stream, io.RawIOBase) else stream, 1):  # type: ignore[type-var]
        line = line.strip().removeprefix(b"\xef\xbb\xbf")
        if not line:
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            yield f"line {number}", f"line {number} is no JSON in UTF-8"
            continue
        yield f"line {number}", _record(value, f"line {number}")


def _record(value: Any, place: str) -> Record | str:
    value = _without_halves(value)
    if isinstance(value, str):
        return {"text": value}
    return value if isinstance(value, dict) else f"{place} is no object"


def _without_halves(value: Any) -> Any:
    """The value with U+FFFD for each half of a character, which JSON's escapes can give and no encoding can write."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, dict):
        return {_without_halves(k): _without_halves(v) for k, v in value.items()}
    return [_without_halves(v) for v in value] if isinstance(value, list) else value


def json_array(stream: BinaryIO) -> Iterator[tuple[str, Record | str]]:
    """Records of one JSON array (or the one object) in UTF-8, decoded piece by piece. Raises Unreadable."""
    reader = io.TextIOWrapper(stream, "utf-8-sig")  # type: ignore[arg-type]
    decoder = json.JSONDecoder()
    buffer, number, inside = "", 0, False
    want = WINDOW
    while True:
        try:
            piece = reader.read(want)
        except UnicodeDecodeError:
            raise Unreadable(f"the JSON is not in UTF-8 after record {number}") from None
        buffer += piece
        place = 0
        while True:
            place = _skip(buffer, place, inside)
            if not inside and buffer[place : place + 1] == "[" and not number:
                inside, place = True, place + 1
                continue
            if buffer[place : place + 1] in ("]", "") or (number and not inside):
                break
            try:
                value, place = decoder.raw_decode(buffer, place)
            except (ValueError, RecursionError):
                break
            number += 1
            yield f"record {number}", _record(value, f"record {number}")
        rest = buffer[place:]
        if not piece:
            if rest.strip("] \t\r\n") or (inside and "]" not in rest):
                raise Unreadable(f"the JSON is damaged or cut off after {number} records")
            return
        want = max(WINDOW, len(rest)) if len(rest) == len(buffer) else WINDOW  # one record longer than the window
        buffer = rest


def _skip(buffer: str, place: int, inside: bool) -> int:
    signs = " \t\r\n," if inside else " \t\r\n"
    while place < len(buffer) and buffer[place] in signs:
        place += 1
    return place


def parquet_rows(source: Any, take: Callable[[int], None]) -> Iterator[tuple[str, Record | str]]:
    """Rows of a Parquet file as records, in batches; `take` counts their bytes. Raises Unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    known = {*TEXT_KEYS, *BOOK_KEYS, *CHAPTER_KEYS, *NUMBER_KEYS, "chapters", "id"}
    try:
        with pq.ParquetFile(source) as file:
            names = [
                n
                for n in file.schema_arrow.names
                if n.strip().lower() in known or not _is_heavy(file.schema_arrow.field(n).type)
            ]
            if not {n.strip().lower() for n in names} & {*TEXT_KEYS, "chapters"}:
                raise Unreadable(f"the Parquet file has no column {', '.join(TEXT_KEYS[:3])}")
            row = 0
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=names):
                take(batch.nbytes)
                for record in batch.to_pylist():
                    row += 1
                    yield f"row {row}", record
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"the Parquet file is damaged or cut off: {str(error)[:100]}") from None


def _is_heavy(kind: Any) -> bool:
    """Columns that can hold neither text nor metadata, such as images and vectors."""
    import pyarrow.types as types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_nested(kind))

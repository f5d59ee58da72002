"""A file to its books: one stream whatever the file is; what cannot be read is set aside with its reason."""

from __future__ import annotations

import gzip
import io
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from novelray.corpus.read.archives import Allowance, Counted, member_bytes, members, open_member, open_zip
from novelray.corpus.read.book_text import BookText, Draft
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.finish import finish
from novelray.corpus.read.formats import HEAD, KINDS, RECORDS, kind_of, read_one, zip_kind
from novelray.corpus.read.meta import BookMeta
from novelray.corpus.read.records import Found, books_of_records, json_array, json_lines, parquet_rows
from novelray.corpus.read.side_meta import side_files, side_meta, side_names, side_records
from novelray.errors import NovelRayError
from novelray.recipe.read import ReadSection


def read_books(path: Path, file: str, meta: BookMeta, section: ReadSection) -> Iterator[BookText]:
    """The books of a local file, one after the other; only one is in memory. `file`: its name, for titles and kinds.

    `meta` is what the recipe and side files say, and counts more than what a book says; its title is for a file that
    is one book. Raises Unreadable when nothing of the file can be read, and NovelRayError when OCR is asked for and its
    package is missing; a member that cannot be read comes with its `problem`.
    """
    with _explained(file), _opened(path) as stream:
        head = stream.read(HEAD)
        stream.seek(0)
        kind = kind_of(head, file)
        if kind == "zip":
            with open_zip(stream) as archive:
                kind = zip_kind(archive)
                if kind == "zip":
                    yield from _from_zip(archive, path.stat().st_size, meta, section)
                    return
            stream.seek(0)
        size = path.stat().st_size
        if kind == "gzip":
            yield from _from_gzip(stream, file, size, meta, section)
        elif kind in RECORDS:
            allowance = Allowance(size + 1, size) if kind != "parquet" else _allowance(section, size)
            yield from _from_records(stream, kind, allowance, "", meta, section)
        else:
            if size > section.max_unpacked_mb * 1_000_000:
                raise Unreadable(f"it has {size // 1_000_000} MB; corpus.read.max_unpacked_mb allows less")
            data = stream.read()
            yield finish(read_one(data, kind, section), "", PurePosixPath(file).stem, meta, section)


def read_book(data: bytes, stem: str, encoding: str = "auto") -> BookText:
    """One plain text's bytes. `stem` is its title. Raises Unreadable with the reason."""
    section = ReadSection(encoding=encoding)
    return finish(read_one(data, "text", section), "", stem, BookMeta(title=stem), section)


def _allowance(section: ReadSection, packed: int) -> Allowance:
    return Allowance(section.max_unpacked_mb * 1_000_000, packed)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file for reading. A pipe or a device is no book, and opening one could wait for ever."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Unreadable("it is no regular file")
    with open(path, "rb") as stream:
        yield stream


@contextmanager
def _explained(file: str) -> Iterator[None]:
    """Whatever goes wrong in reading is the file's fault, and is said in one line."""
    try:
        yield
    except (Unreadable, NovelRayError, AssertionError, GeneratorExit):
        raise
    except PermissionError:
        raise Unreadable("no permission to read the file") from None
    except FileNotFoundError:
        raise Unreadable("the file is not there (a broken link?)") from None
    except OSError as error:
        reason = (
            "its links lead in a circle"
            if "symbolic link" in str(error)
            else f"it cannot be read: {error.strerror or error}"
        )
        raise Unreadable(reason) from None
    except MemoryError:
        raise Unreadable("it needs more memory than there is") from None
    except Exception as error:  # a parser of another project met a file that breaks it
        what = " ".join(str(error).split())[:100]
        raise Unreadable(f"{PurePosixPath(file).name} is damaged ({type(error).__name__}: {what})") from None


def _from_gzip(stream: BinaryIO, file: str, size: int, meta: BookMeta, section: ReadSection) -> Iterator[BookText]:
    inner = PurePosixPath(file).stem
    counted = Counted(gzip.GzipFile(fileobj=stream), _allowance(section, size))  # type: ignore[arg-type]
    unpacked = io.BufferedReader(counted, 1 << 20)
    try:
        kind = kind_of(unpacked.peek(HEAD)[:HEAD], inner)
        if kind in ("zip", "gzip"):
            raise Unreadable("an archive inside an archive is not opened: unpack it")
        if kind in ("jsonl", "json"):
            yield from _from_records(unpacked, kind, None, "", meta, section)
            return
        data = unpacked.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise Unreadable(f"the gzip file is damaged or cut off: {str(error)[:100]}") from None
    if kind == "parquet":
        yield from _from_records(io.BytesIO(data), kind, _allowance(section, len(data)), "", meta, section)
    else:
        yield finish(read_one(data, kind, section), "", PurePosixPath(inner).stem, meta, section)


def _from_zip(archive: zipfile.ZipFile, size: int, meta: BookMeta, section: ReadSection) -> Iterator[BookText]:
    """The books of an archive's members, in their order; files of other kinds are no books and are passed over."""
    allowance = _allowance(section, size)
    found = list(members(archive))
    aside = side_files(name for name, _, _ in found)
    side: dict[str, bytes] = {}
    for name, info, problem in found:
        if name in aside and not problem:
            try:
                data = member_bytes(archive, info, allowance)
                list(side_records(PurePosixPath(name).name, data))
                side[name] = data
            except Unreadable as error:  # its books are read without it
                yield BookText(member=name, problem=error.reason)
    for name, info, problem in found:
        if not problem and (name in aside or PurePosixPath(name).suffix.lower() not in KINDS):
            continue
        try:
            allowance.take(0)  # an archive that proved to be a bomb is not read any further
            if problem:
                raise Unreadable(problem)
            with _explained(name):
                known = _for_member(meta).over(_side(side, name))
                yield from _from_member(archive, info, name, allowance, known, section)
        except Unreadable as error:
            yield BookText(member=name, problem=error.reason)


def _for_member(meta: BookMeta) -> BookMeta:
    """What is said of an archive holds for its books, but for the title."""
    return BookMeta("", meta.author, meta.genre, meta.curated, meta.language, meta.translator, meta.editor)


def _from_member(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    name: str,
    allowance: Allowance,
    meta: BookMeta,
    section: ReadSection,
) -> Iterator[BookText]:
    kind = KINDS[PurePosixPath(name).suffix.lower()]
    if kind in ("zip", "gzip"):
        raise Unreadable("an archive inside an archive is not opened: unpack it")
    if kind in ("jsonl", "json"):
        own = Allowance(allowance.limit, info.compress_size)
        with open_member(archive, info) as stream:
            counted = io.BufferedReader(Counted(stream, allowance, own), 1 << 20)
            yield from _from_records(counted, kind, None, name, meta, section)
        return
    data = member_bytes(archive, info, allowance)
    kind = kind_of(data[:HEAD], name)
    if kind == "zip":
        with open_zip(io.BytesIO(data)) as inner:
            kind = zip_kind(inner)
        if kind == "zip":
            raise Unreadable("an archive inside an archive is not opened: unpack it")
    if kind == "parquet":
        yield from _from_records(io.BytesIO(data), kind, allowance, name, meta, section)
    else:
        yield finish(read_one(data, kind, section), name, PurePosixPath(name).stem, meta, section)


def _from_records(
    stream: BinaryIO, kind: str, allowance: Allowance | None, name: str, meta: BookMeta, section: ReadSection
) -> Iterator[BookText]:
    """The books of records. `name`: the archive's member that holds them, "" for a file."""
    if kind == "parquet":
        assert allowance is not None
        records = parquet_rows(stream, allowance.take)
    else:
        records = json_lines(stream) if kind == "jsonl" else json_array(stream)
    seen: dict[str, int] = {}
    for member, content in books_of_records(records, kind):
        seen[member] = seen.get(member, 0) + 1
        unique = member if seen[member] == 1 else f"{member} ({seen[member]})"
        yield _record_book((f"{name}/{unique}" if name else unique, content), member, _for_member(meta), section)


def _record_book(found: Found, stem: str, meta: BookMeta, section: ReadSection) -> BookText:
    member, content = found
    if not isinstance(content, Draft):
        return BookText(member=member, problem=content)
    try:
        return finish(content, member, stem, meta, section)
    except Unreadable as error:
        return BookText(member=member, problem=error.reason)


def _side(side: dict[str, bytes], name: str) -> BookMeta:
    folder = name.rpartition("/")[0]
    path = f"{folder}/" if folder else ""
    return side_meta({n: side[f"{path}{n}"] for n in side_names(name) if f"{path}{n}" in side}, name)

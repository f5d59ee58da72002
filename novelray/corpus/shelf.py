"""The shelf: which files are the corpus's books, what each is called, and the digest of what is in it.

Books are known by their file's stem and by the SHA-256 of their bytes; where the files lie does not count. What is
known of a book besides its text comes from the recipe, else from a side file in its folder, else from the book itself.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from novelray.corpus.read import SUFFIXES, BookMeta, Unreadable, side_files, side_meta, side_names
from novelray.errors import CorpusError, StorageError
from novelray.recipe.read import BookEntry
from novelray.storage import Store

SHARED_HINT = "On a cluster the books have to lie where every node reads them: a shared folder or s3://."
READERS = 16  # files digested at once; most of the time is waiting for storage
_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Book:
    """A file on the shelf. `sha256` is empty and `problem` says why when its bytes could not be read."""

    name: str
    uri: str
    sha256: str = ""
    size: int = 0
    problem: str = ""
    meta: BookMeta = field(default_factory=BookMeta)

    @property
    def file(self) -> str:
        """Name of the file without its folder."""
        return PurePosixPath(self.uri).name

    @property
    def digest(self) -> str:
        """What stands for the book in the corpus's identity."""
        return self.sha256 or f"unreadable: {self.problem}"

    def known(self) -> dict[str, Any]:
        """What is known of the book besides its text, as JSON."""
        return {name: value for name, value in asdict(self.meta).items() if value not in ("", None)}

    @classmethod
    def of_json(cls, data: dict[str, Any]) -> Book:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{**data, "meta": BookMeta(**data["meta"])})


@dataclass(frozen=True)
class Shelf:
    """The books by name, and files left out because another holds the same bytes: name → name of the one kept."""

    books: list[Book]
    same: dict[str, str]


def find_books(locations: Sequence[str | BookEntry], endpoint: str | None = None) -> Shelf:
    """Expand files, folders and globs (local or object storage), digest every file, name the books.

    Raises CorpusError when a location holds no book, and StorageError when the storage does not answer.
    """
    if not locations:
        raise CorpusError("corpus.books is empty.", "List the books, a folder of them or a glob under it.")
    known: dict[str, BookMeta] = {}
    for location in locations:
        entry = BookEntry(path=location) if isinstance(location, str) else location
        meta = BookMeta(entry.title, entry.author, entry.genre, entry.curated)
        for uri in _expand(entry.path, endpoint):
            known[uri] = known.get(uri, BookMeta()).over(meta)
    beside = _side_metas(known, endpoint)
    with ThreadPoolExecutor(READERS) as pool:
        books = list(pool.map(lambda uri: _digested(uri, endpoint), sorted(known)))
    books = [replace(book, meta=known[book.uri].over(beside[book.uri])) for book in books]
    return _without_copies(_named(books))


def fetch(book: Book, folder: Path, endpoint: str | None = None) -> Path:
    """A local path to a book's file: its own, or that of a copy in `folder`. Raises FileNotFoundError, StorageError."""
    store, name = _at(book.uri, endpoint)
    if store.is_local:
        return Path(store.full(name))
    store.get(name, folder / name)
    return folder / name


def _at(uri: str, endpoint: str | None) -> tuple[Store, str]:
    folder, _, name = uri.rpartition("/")
    return Store(folder or "/", endpoint), name


def _expand(location: str, endpoint: str | None) -> list[str]:
    found = _remote(location, endpoint) if "://" in location else _local(location)
    if not found:
        raise CorpusError(
            f"There is no book at {location}.",
            f"Check corpus.books: a file, a folder with books, or a glob. {SHARED_HINT}",
        )
    return found


def _local(location: str) -> list[str]:
    path = os.path.abspath(os.path.expanduser(location))
    if os.path.isdir(path):
        names = [n for n in os.listdir(path) if _is_file(os.path.join(path, n))]
        return [os.path.join(path, n) for n in _books_among(names)]
    if os.path.isfile(path):
        return [path]
    return [p for p in glob.glob(path, recursive=True) if _is_file(p)] if _GLOB & set(path) else []


def _is_file(path: str) -> bool:
    """Also true of a link to nothing: it is set aside with that reason, rather than passed over in silence."""
    return os.path.isfile(path) or (os.path.islink(path) and not os.path.exists(path))


def _remote(location: str, endpoint: str | None) -> list[str]:
    if not _GLOB & set(location):
        if _is_remote_file(location, endpoint):
            return [location]
        entries = Store(location.rstrip("/"), endpoint).files()
        names = [e.path for e in entries if "/" not in e.path]
        return [f"{location.rstrip('/')}/{name}" for name in _books_among(names)]
    base = location[: min(location.index(c) for c in _GLOB if c in location)].rpartition("/")[0]
    pattern, deep = location[len(base) + 1 :], "**" in location
    paths = [entry.path for entry in Store(base, endpoint).files()]
    matching = [p for p in paths if fnmatchcase(p, pattern) and (deep or p.count("/") == pattern.count("/"))]
    return [f"{base}/{path}" for path in matching]


def _books_among(names: Sequence[str]) -> list[str]:
    """The files of a folder that are books: by their ending, and not there to describe others."""
    known = [n for n in names if n.lower().endswith(tuple(SUFFIXES)) and not n.startswith(".")]
    side = side_files(names)
    return [n for n in known if n not in side]


def _side_metas(uris: Iterable[str], endpoint: str | None) -> dict[str, BookMeta]:
    """What side files say of each book. Raises CorpusError for one that cannot be read."""
    found: dict[str, BookMeta] = {}
    folders: dict[str, tuple[Store, set[str], dict[str, bytes]]] = {}
    for uri in uris:
        folder = uri.rpartition("/")[0]
        if folder not in folders:
            store = _at(uri, endpoint)[0]
            folders[folder] = store, {e.path for e in store.files() if "/" not in e.path}, {}
        store, names, read = folders[folder]
        name = uri.rpartition("/")[2]
        for side in side_names(name):
            if side in names and side not in read and side != name:
                read[side] = store.read(side)
        try:
            found[uri] = side_meta(read, name)
        except Unreadable as error:
            raise CorpusError(f"What {folder} says of its books cannot be read: {error.reason}.",
                              "Mend or remove that file.") from None  # fmt: skip
    return found


def _is_remote_file(location: str, endpoint: str | None) -> bool:
    if "/" not in location.partition("://")[2].strip("/"):
        return False  # a whole bucket
    store, name = _at(location, endpoint)
    return bool(name) and store.exists(name)


def _digested(uri: str, endpoint: str | None) -> Book:
    store, name = _at(uri, endpoint)
    stem = PurePosixPath(name).stem
    try:
        size = store.fs.get_file_info(store.full(name)).size or 0
        return Book(stem, uri, store.sha256(name), size)
    except FileNotFoundError:
        return Book(stem, uri, problem="the file is not there (a broken link?)")
    except StorageError as error:
        if not isinstance(error.__cause__, PermissionError):
            raise
        return Book(stem, uri, problem="no permission to read the file")


def _named(books: Iterable[Book]) -> list[Book]:
    """Give books with the same stem different names: with their folder's, and if need be with part of their digest."""
    books = _renamed(list(books), lambda b: f"{b.name}~{PurePosixPath(b.uri).parent.name}")
    books = _renamed(books, lambda b: f"{b.name}~{b.sha256[:8]}")
    return sorted(books, key=lambda b: (b.name, b.uri))


def _renamed(books: list[Book], name_of: Callable[[Book], str]) -> list[Book]:
    contents: dict[str, set[str]] = {}
    for book in books:
        contents.setdefault(book.name, set()).add(book.digest)
    return [replace(b, name=name_of(b)) if len(contents[b.name]) > 1 else b for b in books]


def _without_copies(books: list[Book]) -> Shelf:
    """A file whose bytes another file has is the same book, and is read once."""
    kept: dict[str, Book] = {}
    same: dict[str, str] = {}
    for book in books:
        owner = kept.setdefault(book.sha256 or book.uri, book)
        if owner is not book:
            same[book.name if book.name != owner.name else f"{book.name} ({book.file})"] = owner.name
    names = Counter(b.name for b in kept.values())
    return Shelf(
        [b if names[b.name] == 1 else replace(b, name=f"{b.name}~{i}") for i, b in enumerate(kept.values())], same
    )

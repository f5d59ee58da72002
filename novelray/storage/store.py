"""One small protocol over local folders, s3:// and gs://.

A `Store` is a root plus a pyarrow filesystem, which Ray Data reads and writes directly. Paths are relative to the root
and use `/`. Writes are whole objects: a reader sees the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from pyarrow import fs as pafs

from novelray.errors import DiskFullError, StorageError

CHUNK = 8 << 20


@dataclass(frozen=True)
class Entry:
    """A stored file: its path below the root and its size in bytes."""

    path: str
    size: int


class Store:
    """Reads and writes below one root. Raises StorageError (DiskFullError when no space is left)."""

    def __init__(self, uri: str, endpoint: str | None = None) -> None:
        self.uri = uri
        self.endpoint = endpoint
        self.fs, self.base = _filesystem(uri, endpoint)

    @property
    def is_local(self) -> bool:
        return isinstance(self.fs, pafs.LocalFileSystem)

    def full(self, path: str) -> str:
        """The path as the pyarrow filesystem wants it."""
        return f"{self.base}/{path}" if path else self.base

    def read(self, path: str) -> bytes:
        """The whole file. Raises FileNotFoundError when there is none."""
        with _translated(f"read {path}", self.uri), self.fs.open_input_stream(self.full(path)) as stream:
            return bytes(stream.read())

    def write(self, path: str, data: bytes) -> None:
        """Replace the file at once: after a crash it holds the old bytes or the new ones."""
        with _translated(f"write {path}", self.uri):
            if self.is_local:
                _write_local(Path(self.full(path)), data)
                return
            with self.fs.open_output_stream(self.full(path)) as stream:
                stream.write(data)

    def put(self, local: Path, path: str) -> None:
        """Copy a local file into the store, in constant memory."""
        with _translated(f"write {path}", self.uri):
            if self.is_local:
                _copy_local(local, Path(self.full(path)))
                return
            with open(local, "rb") as source, self.fs.open_output_stream(self.full(path)) as target:
                shutil.copyfileobj(source, target, CHUNK)

    def get(self, path: str, local: Path) -> None:
        """Copy a file out of the store, whole or not at all."""
        local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(f".{local.name}.{uuid.uuid4().hex[:8]}")
        try:
            with _translated(f"read {path}", self.uri), self.open(path) as source, open(part, "wb") as target:
                shutil.copyfileobj(source, target, CHUNK)
            part.replace(local)
        finally:
            part.unlink(missing_ok=True)

    def open(self, path: str) -> BinaryIO:
        """A seekable stream for reading."""
        stream: BinaryIO = self.fs.open_input_file(self.full(path))
        return stream

    def exists(self, path: str) -> bool:
        with _translated(f"look up {path}", self.uri):
            return bool(self.fs.get_file_info(self.full(path)).type == pafs.FileType.File)

    def files(self, prefix: str = "") -> list[Entry]:
        """Every file below a prefix (a folder), sorted by path; none when the folder does not exist."""
        selector = pafs.FileSelector(self.full(prefix), recursive=True, allow_not_found=True)
        with _translated(f"list {prefix}", self.uri):
            infos = self.fs.get_file_info(selector)
        start = len(self.base) + 1
        return sorted(
            (Entry(i.path[start:], i.size) for i in infos if i.type == pafs.FileType.File), key=lambda e: e.path
        )

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix, sorted."""
        selector = pafs.FileSelector(self.full(prefix), recursive=False, allow_not_found=True)
        with _translated(f"list {prefix}", self.uri):
            infos = self.fs.get_file_info(selector)
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.Directory)

    def delete(self, prefix: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens when it is not there."""
        with _translated(f"delete {prefix}", self.uri):
            kind = self.fs.get_file_info(self.full(prefix)).type
            if kind == pafs.FileType.File:
                self.fs.delete_file(self.full(prefix))
            elif kind == pafs.FileType.Directory:
                self.fs.delete_dir(self.full(prefix))

    def sha256(self, path: str) -> str:
        """SHA-256 of a file's bytes, in constant memory."""
        digest = hashlib.sha256()
        with _translated(f"read {path}", self.uri), self.open(path) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.uri, self.endpoint)


def sha256_of(local: Path) -> str:
    """SHA-256 of a local file."""
    with open(local, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _filesystem(uri: str, endpoint: str | None) -> tuple[Any, str]:
    parts = urlsplit(uri)
    if parts.scheme in ("", "file"):
        path = os.path.abspath(parts.path if parts.scheme else uri)
        return pafs.LocalFileSystem(), path.rstrip("/") or "/"
    base = f"{parts.netloc}{parts.path}".rstrip("/")
    if parts.scheme == "s3":
        return pafs.S3FileSystem(**_s3_options(endpoint)), base
    if parts.scheme == "gs":
        return pafs.GcsFileSystem(), base
    raise StorageError(f"Storage {uri!r} has the scheme {parts.scheme!r}.", "Use a local path, s3:// or gs://.")


def _s3_options(endpoint: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"background_writes": False}
    url = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if url:
        parts = urlsplit(url)
        options |= {"endpoint_override": parts.netloc or url, "scheme": parts.scheme or "https"}
        options |= {"region": os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))}
    return options


def _write_local(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        with open(part, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _copy_local(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        shutil.copyfile(source, part)
        with open(part, "rb") as stream:
            os.fsync(stream.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(doing: str, uri: str) -> Iterator[None]:
    """Turn what the filesystem raises into our family; FileNotFoundError passes, since callers ask for it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error):
            raise DiskFullError(
                f"The disk under {uri} is full: could not {doing}.",
                "Free some space and run the same command again: it goes on from the last commit.",
            ) from error
        raise StorageError(
            f"Could not {doing} in {uri}: {error}.", "Check the path, the permissions and the network."
        ) from error

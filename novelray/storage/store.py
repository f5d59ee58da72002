"""One small protocol over local folders, s3:// and gs://.

A `Store` is a root plus a pyarrow filesystem, which Ray Data reads and writes directly. Paths are relative to the root
and use `/`. Writes are whole objects: a reader sees the old bytes or the new ones, never a part.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
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
PART = ".nrpart"
"""Ending of a file that is being written; listings leave such files out, since a killed writer may have left them."""


@dataclass(frozen=True)
class Entry:
    """A stored file: its path below the root, its size in bytes and when it was written (seconds since the epoch)."""

    path: str
    size: int
    modified: float = 0.0


class Store:
    """Reads and writes below one root. Raises StorageError (DiskFullError when no space is left)."""

    def __init__(self, uri: str, endpoint: str | None = None) -> None:
        self.endpoint = endpoint
        self.fs, self.base = _filesystem(uri, endpoint)
        self.uri = self.base if self.is_local else uri.rstrip("/")  # absolute: it has to mean the same on a worker

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
                _write_local(Path(self.full(path)), io.BytesIO(data))
                return
            with self.fs.open_output_stream(self.full(path)) as stream:
                stream.write(data)

    def create(self, path: str, data: bytes) -> bool:
        """Write a file that must not be there yet; False, and nothing changed, when it is.

        On a local path the first of several writers wins for certain. Object stores are asked just before the write,
        so there two writers within the same moment may both be told True, and the last one's bytes stay.
        """
        if self.exists(path):
            return False
        if not self.is_local:
            self.write(path, data)
            return True
        with _translated(f"write {path}", self.uri):
            return _write_local(Path(self.full(path)), io.BytesIO(data), replace=False)

    def put(self, local: Path, path: str) -> None:
        """Copy a local file into the store, in constant memory."""
        with _translated(f"write {path}", self.uri), open(local, "rb") as source:
            if self.is_local:
                _write_local(Path(self.full(path)), source)
                return
            try:
                with self.fs.open_output_stream(self.full(path)) as target:
                    shutil.copyfileobj(source, target, CHUNK)
            except BaseException:
                self.fs.delete_file(self.full(path))  # closing the stream has made an object of what came so far
                raise

    def get(self, path: str, local: Path) -> None:
        """Copy a file out of the store, whole or not at all."""
        with self.open(path) as source, _translated(f"copy {path} from {self.uri}", str(local.parent)):
            _write_local(local, source)

    def open(self, path: str) -> BinaryIO:
        """A seekable stream for reading. Raises FileNotFoundError when there is no such file."""
        with _translated(f"read {path}", self.uri):
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
        found = (i for i in infos if i.type == pafs.FileType.File and not i.path.endswith(PART))
        return sorted((Entry(i.path[start:], i.size, _seconds(i.mtime_ns)) for i in found), key=lambda e: e.path)

    def folders(self, prefix: str) -> list[str]:
        """Names of the folders directly below a prefix, sorted."""
        selector = pafs.FileSelector(self.full(prefix), recursive=False, allow_not_found=True)
        with _translated(f"list {prefix}", self.uri):
            infos = self.fs.get_file_info(selector)
        return sorted(i.base_name for i in infos if i.type == pafs.FileType.Directory)

    def delete(self, prefix: str) -> None:
        """Remove a file or a folder with all that is in it; nothing happens when it is not there."""
        with _translated(f"delete {prefix}", self.uri), contextlib.suppress(FileNotFoundError):
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
    if not parts.netloc:
        raise StorageError(f"Storage {uri!r} names no bucket.", f"Write {parts.scheme}://bucket/prefix.")
    if parts.scheme == "s3":
        return pafs.S3FileSystem(**_s3_options(endpoint)), base
    if parts.scheme == "gs":
        return pafs.GcsFileSystem(), base
    raise StorageError(f"Storage {uri!r} has the scheme {parts.scheme!r}.", "Use a local path, s3:// or gs://.")


def _s3_options(endpoint: str | None) -> dict[str, Any]:
    options: dict[str, Any] = {"background_writes": False}
    url = endpoint or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if url:
        scheme, _, host = url.rpartition("://")
        options |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
        options |= {"region": os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1"))}
    return options


def _write_local(target: Path, source: BinaryIO, replace: bool = True) -> bool:
    """Copy `source` to `target` at once and for good. With `replace` off, False when the target is there already."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        with open(part, "wb") as stream:
            shutil.copyfileobj(source, stream, CHUNK)
            stream.flush()
            os.fsync(stream.fileno())
        if not (replace or _link(part, target)):
            return False
        if replace:
            part.replace(target)
        _sync_folder(target.parent)
        return True
    finally:
        part.unlink(missing_ok=True)


def _link(part: Path, target: Path) -> bool:
    """Give the file its name unless that is taken: the one local operation that two writers cannot both win."""
    try:
        os.link(part, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        part.replace(target)  # a filesystem without hard links
    return True


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut, so that a manifest never outlives the files written before it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _seconds(nanoseconds: int | None) -> float:
    return (nanoseconds or 0) / 1e9


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

"""Zip archives and gzip streams, read in memory and never unpacked to disk: what they hold is bounded while it is read.

Sizes in a zip's headers are not believed: bytes are counted as they come out. Names are only names; a member whose name
would lead outside is set aside.
"""

from __future__ import annotations

import io
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from novelray.corpus.read.encodings import Unreadable

RATIO = 200  # unpacked to packed bytes above which no text compresses
SMALL = 20_000_000  # unpacked bytes below which the ratio is not looked at
PIECE = 1 << 20
MOST_MEMBERS = 100_000
_DRIVE = re.compile(r"[A-Za-z]:")


class Allowance:
    """How many bytes may still come out of a file. One for a whole archive; `take` raises Unreadable past the limit."""

    def __init__(self, limit: int, packed: int) -> None:
        self.limit, self.packed, self.used = limit, max(1, packed), 0

    def take(self, count: int) -> None:
        """Count `count` more unpacked bytes."""
        self.used += count
        if self.used > self.limit:
            raise Unreadable(
                f"it unpacks to more than {self.limit // 1_000_000} MB (corpus.read.max_unpacked_mb): a bomb?"
            )
        if self.used > SMALL and self.used > RATIO * self.packed:
            raise Unreadable(f"it unpacks to more than {RATIO} times its size: a bomb")


class Counted(io.RawIOBase):
    """A stream whose bytes count against an allowance."""

    def __init__(self, stream: BinaryIO, *allowances: Allowance) -> None:
        self.stream, self.allowances = stream, allowances

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        data = self.stream.read(len(view))
        for allowance in self.allowances:
            allowance.take(len(data))
        view[: len(data)] = data
        return len(data)


def read_all(stream: BinaryIO, *allowances: Allowance) -> bytes:
    """All bytes of a stream, stopping where an allowance is used up."""
    pieces = []
    while piece := stream.read(PIECE):
        for allowance in allowances:
            allowance.take(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


def open_zip(stream: BinaryIO) -> zipfile.ZipFile:
    """The archive. Raises Unreadable when it is damaged, cut off or has too many members."""
    try:
        archive = zipfile.ZipFile(stream)
    except (zipfile.BadZipFile, EOFError, ValueError, OverflowError, NotImplementedError) as error:
        raise Unreadable(f"the archive is damaged or cut off: {str(error)[:100]}") from None
    if len(archive.infolist()) > MOST_MEMBERS:
        raise Unreadable(f"the archive has {len(archive.infolist())} members; at most {MOST_MEMBERS} are read")
    return archive


def member_bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, allowance: Allowance) -> bytes:
    """A member's bytes. Raises Unreadable: encrypted, damaged, or too much."""
    with open_member(archive, info) as stream:
        try:
            return read_all(stream, allowance, Allowance(allowance.limit, info.compress_size))
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as error:
            raise Unreadable(f"the archive's member is damaged: {str(error)[:100]}") from None


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BinaryIO:
    """A member as a stream of unpacked bytes, not yet counted. Raises Unreadable."""
    if info.flag_bits & 0x1:
        raise Unreadable("the archive's member is encrypted")
    try:
        return archive.open(info)  # type: ignore[return-value]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise Unreadable(f"the archive's member cannot be unpacked: {str(error)[:100]}") from None


def member_name(info: zipfile.ZipInfo) -> str:
    """A member's name. Archives made in China often have GBK names without saying so."""
    if info.flag_bits & 0x800 or info.orig_filename.isascii():
        return info.filename
    raw = info.orig_filename.encode("cp437", "replace")
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return info.filename


def members(archive: zipfile.ZipFile) -> Iterator[tuple[str, zipfile.ZipInfo, str]]:
    """(name, member, problem) of each file in the archive, in its own order; links and bad or repeated names are."""
    seen: set[str] = set()
    for info in archive.infolist():
        name = member_name(info)
        bad = _bad_name(name, info.orig_filename)
        is_hidden = name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
        if info.is_dir() or (is_hidden and not bad):
            continue
        problem = bad or ("a second member of this name" if name in seen else "")
        if stat.S_ISLNK(info.external_attr >> 16):
            problem = "the member is a symbolic link, which is not followed"
        seen.add(name)
        yield name, info, problem


def _bad_name(name: str, original: str) -> str:
    for candidate in (name, original):
        parts = candidate.replace("\\", "/").split("/")
        if candidate.startswith(("/", "\\")) or ".." in parts or _DRIVE.match(candidate) or "\x00" in candidate:
            return "the member's name leads out of the archive"
    return ""

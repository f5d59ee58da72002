"""Side files: what is known of the books of a folder, written beside them.

`<stem>.json` or `<stem>.yaml` beside a book describes that book; `books.csv`, `books.yaml`, `books.json` or
`metadata.jsonl` describe all books of their folder, one record each, with the file's name under `file`.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

import yaml

from novelray.corpus.read.encodings import Unreadable, decode, plausibility
from novelray.corpus.read.meta import BookMeta, meta_of

FOLDER_FILES = ("books.csv", "books.yaml", "books.yml", "books.json", "metadata.jsonl")
OWN_ENDINGS = (".json", ".yaml", ".yml")
LIKELY = 0.7  # share of common characters above which GB18030 and Big5 are believed; names have rare ones
LARGEST = 50_000_000  # bytes of a side file
FILE_KEYS = ("file", "file_name", "filename", "path", "文件", "文件名", "檔案")


def side_files(names: Iterable[str]) -> set[str]:
    """Those of the paths that are no books but describe others: by their own names, and by what lies beside them."""
    names = list(names)
    books = {_bare(name) for name in names if not name.lower().endswith(OWN_ENDINGS)}
    found = set()
    for name in names:
        file, lowered = name.rpartition("/")[2].lower(), name.lower()
        is_own = lowered.endswith(OWN_ENDINGS) and (_bare(name) in books or not lowered.endswith(".json"))
        if file in FOLDER_FILES or is_own:
            found.add(name)
    return found


def side_names(file: str) -> tuple[str, ...]:
    """Names of the side files that could describe `file`, those about it alone first."""
    stem = _bare(PurePosixPath(file).name)
    return (*(f"{stem}{ending}" for ending in OWN_ENDINGS), *FOLDER_FILES)


def _bare(name: str) -> str:
    """A path without its ending; `.txt.gz` and the like are one ending."""
    bare = posixpath.splitext(name)[0]
    return posixpath.splitext(bare)[0] if name.lower().endswith(".gz") else bare


def side_meta(side_files: Mapping[str, bytes], file: str) -> BookMeta:
    """What side files (name → bytes) say of `file`. Its own counts more than the folder's. Raises Unreadable."""
    own = PurePosixPath(file).name
    known = BookMeta()
    for name in side_names(own):
        data = side_files.get(name)
        if data is None or name == own:
            continue
        if name in FOLDER_FILES:
            books = _of_folder(name, data)
            said = books.get(own) or books.get(PurePosixPath(own).stem)
        else:
            said = next(map(meta_of, side_records(name, data)), None)
        known = known.over(said) if said else known
    return known


@lru_cache(maxsize=8)
def _of_folder(name: str, data: bytes) -> dict[str, BookMeta]:
    """What a folder's file says, by the name of each book's file; kept, because every book of the folder asks."""
    found: dict[str, BookMeta] = {}
    for record in side_records(name, data):
        lowered = {str(k).strip().lower(): v for k, v in record.items()}
        file = next((str(lowered[k]) for k in FILE_KEYS if lowered.get(k)), "")
        found.setdefault(file.replace("\\", "/").rpartition("/")[2], meta_of(record))
    return found


def side_records(name: str, data: bytes) -> Iterator[Mapping[Any, Any]]:
    """The records of a side file called `name`. Raises Unreadable."""
    if len(data) > LARGEST:
        raise Unreadable(f"{name} is larger than {LARGEST // 1_000_000} MB")
    text = _text(data)
    try:
        if name.endswith(".csv"):
            values: list[Any] = list(csv.DictReader(io.StringIO(text, newline="")))
        elif name.endswith(".jsonl"):
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif name.endswith(".json"):
            values = [json.loads(text)]
        else:
            values = [yaml.safe_load(text)]
    except (ValueError, RecursionError, yaml.YAMLError, csv.Error) as error:
        raise Unreadable(f"{name} cannot be read: {' '.join(str(error).split())[:100]}") from None
    for value in values:
        yield from _flat(value)


def _text(data: bytes) -> str:
    """Side files are short and mostly English words, too little for `decode` to tell Chinese bytes from others by."""
    options: list[str] = []
    for encoding in ("gb18030", "cp950"):
        with contextlib.suppress(UnicodeDecodeError):
            options.append(data.decode(encoding))
    best = max(options, key=plausibility, default="")
    is_utf8 = b"\x00" in data or _is_utf8(data)
    return best if not is_utf8 and best and plausibility(best) >= LIKELY else decode(data).text


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _flat(value: Any) -> Iterator[Mapping[Any, Any]]:
    """Records of a list, of `{books: [...]}`, of `{file name: {...}}`, or the one record."""
    if isinstance(value, list):
        yield from (v for v in value if isinstance(v, dict))
    elif isinstance(value, dict) and isinstance(value.get("books"), list):
        yield from (v for v in value["books"] if isinstance(v, dict))
    elif isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
        yield from ({"file": name, **record} for name, record in value.items())
    elif isinstance(value, dict):
        yield value


def yaml_record(text: str) -> dict[str, Any]:
    """A YAML mapping of plain values; {} for anything else. Only safe tags are understood."""
    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}

"""Side files: what is known of the books of a folder, written beside them.

`<stem>.json` or `<stem>.yaml` beside a book describes that book; `books.csv`, `books.yaml`, `books.json` or
`metadata.jsonl` describe all books of their folder, one record each, with the file's name under `file`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from novelray.corpus.read.encodings import Unreadable, decode
from novelray.corpus.read.meta import BookMeta, meta_of

FOLDER_FILES = ("books.csv", "books.yaml", "books.yml", "books.json", "metadata.jsonl")
OWN_ENDINGS = (".json", ".yaml", ".yml")
LARGEST = 50_000_000  # bytes of a side file
FILE_KEYS = ("file", "file_name", "filename", "path", "文件", "文件名", "檔案")


def is_side_file(name: str, names: Collection[str]) -> bool:
    """Whether a file is no book but describes others: by its name, and by the `names` that lie beside it."""
    path = PurePosixPath(name)
    if path.name.lower() in FOLDER_FILES:
        return True
    beside = {PurePosixPath(n).stem for n in names if PurePosixPath(n).suffix.lower() not in OWN_ENDINGS}
    return path.suffix.lower() in OWN_ENDINGS and (path.stem in beside or path.suffix.lower() != ".json")


def side_names(file: str) -> tuple[str, ...]:
    """Names of the side files that could describe `file`, those about it alone first."""
    stem = PurePosixPath(file).name.partition(".")[0] if file.endswith(".gz") else PurePosixPath(file).stem
    return (*(f"{stem}{ending}" for ending in OWN_ENDINGS), *FOLDER_FILES)


def side_meta(side_files: Mapping[str, bytes], file: str) -> BookMeta:
    """What side files (name → bytes) say of `file`. Its own counts more than the folder's. Raises Unreadable."""
    own = PurePosixPath(file).name
    known = BookMeta()
    for name in side_names(own):
        data = side_files.get(name)
        if data is None or name == own:
            continue
        records = list(_records(name, data))
        if name in FOLDER_FILES:
            records = [r for r in records if _is_about(r, own)]
        for record in records[:1]:
            known = known.over(meta_of(record))
    return known


def _is_about(record: Mapping[Any, Any], file: str) -> bool:
    lowered = {str(k).strip().lower(): v for k, v in record.items()}
    named = next((str(lowered[k]) for k in FILE_KEYS if lowered.get(k)), "")
    name = named.replace("\\", "/").rpartition("/")[2]
    return bool(name) and name in (file, PurePosixPath(file).stem)


def _records(name: str, data: bytes) -> Iterator[Mapping[Any, Any]]:
    if len(data) > LARGEST:
        raise Unreadable(f"{name} is larger than {LARGEST // 1_000_000} MB")
    text = decode(data).text
    if name.endswith(".csv"):
        yield from csv.DictReader(io.StringIO(text, newline=""))
        return
    try:
        if name.endswith(".jsonl"):
            values = [json.loads(line) for line in text.splitlines() if line.strip()]
        elif name.endswith(".json"):
            values = [json.loads(text)]
        else:
            values = [yaml_record(text)]
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"{name} cannot be read: {str(error)[:100]}") from None
    for value in values:
        yield from _flat(value)


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
    import yaml

    try:
        value = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    if isinstance(value, list):
        return {"books": value}
    return value if isinstance(value, dict) else {}

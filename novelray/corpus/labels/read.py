"""Label files to annotations. A file that is none of ours, is torn or comes from another tool is set aside with why.

Files are read whole: annotations are made by hand, and a file above MAX_BYTES is no such thing.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import xxhash

from novelray.corpus.labels import doccano, label_studio
from novelray.corpus.labels.kinds import Annotation, BadFile, Readings
from novelray.recipe.labels import LabelsSection

MAX_BYTES = 256_000_000
"""Largest label file, and largest content of a ZIP, that is read."""

TWICE = "answered twice by the same person: the later counts (two people? name them in corpus.labels.annotators)"


class _Unusable(Exception):
    """Why a file is set aside."""


def read_labels(files: Mapping[str, bytes], section: LabelsSection) -> Readings:
    """Every annotation in the files, in order. Of one person's answers to the same text and layer the last counts."""
    readings = Readings()
    seen: dict[str, str] = {}
    for name, data in sorted(files.items()):
        try:
            for member, content in _members(name, data):
                digest = xxhash.xxh3_128_hexdigest(content)
                if seen.setdefault(digest, member) != member:
                    readings.note(member, f"the same content as {seen[digest]}")
                    continue
                _read(member, content, section, readings)
        except _Unusable as error:
            readings.quarantine.append(BadFile(name, str(error)))
    return replace(readings, annotations=_short_names(_latest(readings)))


def annotator_of(file: str, section: LabelsSection) -> str:
    """Whom the recipe names for a file, or ""."""
    name = file.replace("\\", "/").rpartition("/")[2]
    for pair in section.annotators:
        pattern, _, who = pair.rpartition("=")
        if fnmatchcase(name, pattern.strip()) or fnmatchcase(file, pattern.strip()):
            return who.strip()
    return ""


def _members(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """The file itself, or the JSON files in a ZIP (Doccano's export with a file for each person). Nothing is unpacked
    to disk, so that names inside it can do no harm."""
    if len(data) > MAX_BYTES:
        raise _Unusable(f"larger than {MAX_BYTES // 1_000_000} MB")
    if not data.startswith(b"PK\x03\x04"):
        yield name, data
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = [i for i in archive.infolist() if i.filename.lower().endswith((".json", ".jsonl"))]
            if not infos:
                raise _Unusable("a ZIP without JSON or JSONL files")
            left = MAX_BYTES
            for info in infos:
                with archive.open(info) as stream:
                    content = stream.read(left + 1)
                left -= len(content)
                if left < 0:
                    raise _Unusable(f"a ZIP that holds more than {MAX_BYTES // 1_000_000} MB")
                yield f"{name}/{info.filename.replace(chr(92), '/').rpartition('/')[2]}", content
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise _Unusable(f"a ZIP that cannot be read: {error}") from None


def _read(file: str, data: bytes, section: LabelsSection, readings: Readings) -> None:
    """Add one file's annotations, or put it aside with the reason."""
    before = len(readings.annotations)
    try:
        rows = _rows(file, data, readings)
        who = annotator_of(file, section)
        ours = sum(_is_ours(row) for row in rows)
        if label_studio.is_tasks(rows):
            label_studio.read_tasks(rows, file, who, section, readings)
        elif label_studio.is_min(rows):
            label_studio.read_min(rows, file, who, section, readings)
        elif doccano.is_rows(rows):
            stem = file.rpartition("/")[2].rpartition(".")[0]
            doccano.read_rows(rows, file, who or stem or file, section, readings)
        else:
            raise _Unusable("neither JSON of Label Studio nor JSONL of Doccano")
        if not ours:
            raise _Unusable(f"another project's: none of its {len(rows)} texts was exported by novelray")
    except _Unusable as error:
        del readings.annotations[before:]
        for key in [key for key in readings.problems if key[0] == file]:
            del readings.problems[key]
        readings.quarantine.append(BadFile(file, str(error)))


def _is_ours(row: Any) -> bool:
    data = row.get("data", row) if isinstance(row, dict) else None
    return isinstance(data, dict) and "chapter_id" in data and "piece" in data


def _rows(file: str, data: bytes, readings: Readings) -> list[Any]:
    """The rows of a JSON list, of one JSON object, or of JSON lines (bad lines are noted, unless all are)."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _Unusable(f"not UTF-8 text: {error.reason} at byte {error.start}") from None
    if not text.strip():
        raise _Unusable("empty")
    try:
        whole = json.loads(text)
        return whole if isinstance(whole, list) else [whole]
    except RecursionError:
        raise _Unusable("JSON nested too deeply") from None
    except ValueError as error:
        if text.lstrip().startswith("["):
            raise _Unusable(f"torn or not valid JSON: {error}") from None
    return _lines(file, text, readings)


def _lines(file: str, text: str, readings: Readings) -> list[Any]:
    rows, problem = [], ""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                problem = f"line {number} is torn or not valid JSON: {error}"
                readings.note(file, problem)
    if not any(isinstance(row, dict) for row in rows):
        raise _Unusable(problem or "not JSON")
    return rows


def _latest(readings: Readings) -> list[Annotation]:
    """One answer for each person, item and layer: the one changed last, or read last. Others are noted."""
    kept: dict[tuple[object, ...], Annotation] = {}
    for one in readings.annotations:
        key = (one.item.key, one.layer, one.annotator)
        other = kept.get(key)
        if other is not None:
            readings.note(one.file, TWICE)
        if other is None or (one.truth, one.stamp) >= (other.truth, other.stamp):
            kept[key] = one
    return list(kept.values())


def _short_names(annotations: list[Annotation]) -> list[Annotation]:
    """E-mail addresses cut to what stands before the @, unless two people would be one: reports are passed on."""
    short: dict[str, set[str]] = {}
    for one in annotations:
        short.setdefault(one.annotator.partition("@")[0], set()).add(one.annotator)
    return [
        replace(one, annotator=name) if name and len(short[name]) == 1 else one
        for one in annotations
        for name in [one.annotator.partition("@")[0]]
    ]

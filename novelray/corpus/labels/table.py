"""Disagreements as a table for a person: CSV for a spreadsheet, JSON lines for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from novelray.corpus.labels.resolve import Disagreement
from novelray.errors import CorpusError

COLUMNS = ("layer", "about", "chapter_id", "start", "end", "values", "result", "excerpt")


def write_disagreements(path: Path, found: Sequence[Disagreement]) -> None:
    """Write them as the file's ending says. Raises CorpusError for another ending or a place that cannot be written."""
    makers = {".csv": as_csv, ".jsonl": as_lines}
    make = makers.get(path.suffix.lower())
    if make is None:
        raise CorpusError(f"{path} ends in neither .csv nor .jsonl.", "Name it disagreements.csv, for example.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(make(found))
    except OSError as error:
        raise CorpusError(f"{path} cannot be written: {error.strerror}.", "Name another file.") from None


def as_lines(found: Sequence[Disagreement]) -> bytes:
    """A JSON object a line."""
    return "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in found).encode()


def as_csv(found: Sequence[Disagreement]) -> bytes:
    """UTF-8 with a byte order mark, which Excel needs; no cell begins as a formula does."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in found:
        row = {**asdict(one), "values": "; ".join(f"{who}: {said or '-'}" for who, said in one.values.items())}
        writer.writerow([_harmless(row[column]) for column in COLUMNS])
    return text.getvalue().encode("utf-8-sig")


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

"""The user's own tables: corrections and names, read from the files that the recipe names."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from novelray.errors import CorpusError
from novelray.recipe.clean import CleanSection

State = tuple[int, int] | None


def corrections_of(section: CleanSection) -> dict[str, str]:
    """Wrong → right of `clean.corrections`. Raises CorpusError where the file is not such a table."""
    return dict(_corrections(section.corrections, _state(section.corrections))) if section.corrections else {}


def names_of(section: CleanSection) -> tuple[str, ...]:
    """`clean.names` and what `clean.names_file` lists."""
    listed = _lines(section.names_file, "clean.names_file", _state(section.names_file)) if section.names_file else []
    return tuple(sorted({name.strip() for name in (*section.names, *listed)} - {""}))


def table_digests(section: CleanSection) -> dict[str, str]:
    """SHA-256 of each of the user's files by its key: what they say decides what is made, not where they lie."""
    files = {"corrections": section.corrections, "names_file": section.names_file}
    return {
        key: hashlib.sha256("\n".join(_lines(file, f"clean.{key}", _state(file))).encode()).hexdigest()
        for key, file in files.items()
        if file
    }


def _state(file: str) -> State:
    """What changes when the file does, so that what was read of it before is read again."""
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _corrections(file: str, state: State) -> tuple[tuple[str, str], ...]:
    table: dict[str, str] = {}
    for line in _lines(file, "clean.corrections", state):
        wrong, _, right = (part.strip() for part in line.partition("\t"))
        if "\t" not in line or len(wrong) < 2:
            raise CorpusError(
                f"{file}: {line!r} is no correction",
                hint="write wrong<TAB>right, the wrong phrase with two characters or more",
            )
        table[wrong] = right
    for right in table.values():
        again = next((wrong for wrong in table if wrong in right), None)
        if again is not None:
            raise CorpusError(
                f"{file}: the correction {right!r} contains {again!r}, which is to be corrected itself",
                hint="take one of the two lines out, or make the wrong phrase longer",
            )
    return tuple(table.items())


@lru_cache(maxsize=8)
def _lines(file: str, key: str, state: State) -> list[str]:
    try:
        text = Path(file).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorpusError(
            f"{key}: {file} cannot be read ({error})", hint="give the path of a UTF-8 text file"
        ) from None
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

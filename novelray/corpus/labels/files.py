"""The label files that a recipe names: local paths, globs, or object storage."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from fnmatch import fnmatchcase

from novelray.errors import CorpusError, StorageError
from novelray.storage import Store

_GLOB = frozenset("*?[")


def read_files(locations: Sequence[str], endpoint: str | None = None) -> dict[str, bytes]:
    """Every label file: name → bytes. A glob without a match is no file, for annotation may not have begun.

    The name is the file's own, with as many folders as tell it from the others, so that it says nothing of this
    machine. Raises CorpusError for a file that is named and not there, or cannot be read, and StorageError.
    """
    found = sorted({place for location in locations for place in _expand(location, endpoint)})
    return {_name(place, found): _read(place, endpoint) for place in found}


def _name(place: str, places: Sequence[str]) -> str:
    parts = place.split("/")
    names = ("/".join(parts[-depth:]) for depth in range(1, len(parts) + 1))
    return next((n for n in names if sum(f"/{other}".endswith(f"/{n}") for other in places) == 1), place)


def _expand(location: str, endpoint: str | None) -> list[str]:
    if not _GLOB & set(location):
        return [location]
    if "://" not in location:
        return [path for path in glob.glob(location, recursive=True) if os.path.isfile(path)]
    base = location[: min(location.index(c) for c in _GLOB if c in location)].rpartition("/")[0]
    pattern = location[len(base) + 1 :]
    deep = "**" in pattern
    paths = [entry.path for entry in Store(base, endpoint).files() if fnmatchcase(entry.path, pattern)]
    return [f"{base}/{path}" for path in paths if deep or path.count("/") == pattern.count("/")]


def _read(location: str, endpoint: str | None) -> bytes:
    folder, _, name = location.rpartition("/")
    try:
        if "://" in location:
            return Store(folder, endpoint).read(name)
        with open(location, "rb") as stream:
            return stream.read()
    except FileNotFoundError:
        raise CorpusError(
            f"There is no label file at {location}.",
            "Check corpus.labels.files; a glob may match nothing, a name may not.",
        ) from None
    except StorageError:
        raise
    except OSError as error:
        raise CorpusError(
            f"The label file {location} cannot be read: {error.strerror}.", "Check corpus.labels.files."
        ) from None

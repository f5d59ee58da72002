"""The real novels as chapters, made once for all tests of deduplication."""

from __future__ import annotations

import hashlib

import pytest

from novelray.corpus.book import Origin, chapters_of
from novelray.corpus.read import BookMeta, read_books
from novelray.recipe.corpus import CorpusSection


@pytest.fixture(scope="session")
def real_books(novels):
    """By file name: (chapters, report) of every real book, as a build makes them."""
    section = CorpusSection(books=["unused"])
    found = {}
    for path in sorted(novels.glob("*/*.*")):
        (book,) = read_books(path, path.name, BookMeta(), section.read)
        origin = Origin(path.name, path.name, hashlib.sha256(path.read_bytes()).hexdigest())
        found[path.name] = chapters_of(book, origin, section)
    return found

"""What was changed in a book's text, to look at: its file is read again, since the corpus keeps no diff."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from novelray.corpus.book import BookReport
from novelray.corpus.clean import clean
from novelray.corpus.clean.difference import difference
from novelray.corpus.privacy import people_of, protect, protect_notes
from novelray.corpus.read import Unreadable, read_books
from novelray.corpus.shelf import Book, Shelf
from novelray.errors import CorpusError
from novelray.recipe.corpus import CorpusSection
from novelray.recipe.privacy import PrivacySection

LARGEST = 20_000_000  # bytes of a file that is read again for the sake of examples
UNSEEN = frozenset(
    [
        *("blank_lines", "control_characters", "indentation", "line_ends", "lines_joined", "names_kept"),
        *("outer_blanks", "special_spaces", "trailing_blanks", "zero_width"),
    ]
)
"""Kinds of change that leave nothing to look at."""


def most_changed(books: Iterable[tuple[Book, Sequence[BookReport]]], most: int = 3) -> list[int]:
    """Places of the files with the most changes that can be seen, at most `most`."""
    counts = [
        (sum(n for r in reports for kind, n in r.changes.items() if kind not in UNSEEN | r.privacy.keys()), -place)
        for place, (book, reports) in enumerate(books)
        if book.size <= LARGEST
    ]
    return [-place for count, place in sorted(counts, reverse=True)[:most] if count]


def chosen(shelf: Shelf, pattern: str) -> list[Book]:
    """The readable books whose name, file or title matches a glob. Raises CorpusError when there is none."""
    named = [b for b in shelf.books if any(fnmatchcase(n, pattern) for n in (b.name, b.file, b.meta.title) if n)]
    if not named:
        names = ", ".join(b.name for b in shelf.books[:20])
        raise CorpusError(f"No book is called {pattern!r}.", f"A glob over the books' names: {names}.")
    for book in named:
        if book.problem:
            raise CorpusError(f"{book.file} cannot be read: {book.problem}.", "Mend the file, or leave it out.")
    return named


def changes_of(path: Path, book: Book, section: CorpusSection, masked: bool = False, key: int = 0) -> Iterator[str]:
    """Lines of a unified diff of what cleaning and `section.privacy` do to the books in a file.

    `masked`: both sides have personal data masked, whatever the recipe says. `key`: of the pseudonyms. Raises
    CorpusError when the file cannot be read.
    """
    hide = section.privacy.model_copy(update={"data": "mask"})
    try:
        for text in read_books(path, book.file, book.meta, section.read):
            people = people_of(text.meta)
            before = _protected(text.text, people, hide, key) if masked else text.text
            after = _protected(clean(before, section.clean)[0], people, section.privacy, key)
            yield from difference(before, after, f"{book.file}/{text.member}" if text.member else book.file)
    except Unreadable as error:
        raise CorpusError(f"{book.file} cannot be read: {error.reason}.", "Mend the file, or leave it out.") from None


def _protected(text: str, people: Sequence[str], section: PrivacySection, key: int) -> str:
    return protect_notes(protect(text, section)[0], people, section, key)[0]

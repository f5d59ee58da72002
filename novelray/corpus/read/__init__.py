"""Files to books as text: every format, encoding and container, with what the format knows about chapters."""

from novelray.corpus.read.book_text import HEADING, SCENE_BREAK, BookText
from novelray.corpus.read.books import read_book, read_books
from novelray.corpus.read.encodings import Unreadable
from novelray.corpus.read.formats import SUFFIXES
from novelray.corpus.read.meta import BookMeta
from novelray.corpus.read.side_meta import side_files, side_meta, side_names

__all__ = [
    "HEADING",
    "SCENE_BREAK",
    "SUFFIXES",
    "BookMeta",
    "BookText",
    "Unreadable",
    "read_book",
    "read_books",
    "side_files",
    "side_meta",
    "side_names",
]

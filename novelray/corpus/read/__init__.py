"""Files to books as text: every format, encoding and container, with what the format knows about chapters."""

from novelray.corpus.read.book_text import BookText, read_book
from novelray.corpus.read.encodings import Unreadable

__all__ = ["BookText", "Unreadable", "read_book"]

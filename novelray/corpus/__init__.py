"""Books in, clean chapters out: reading, cleaning, splitting, exact duplicates, the held-out split. No Ray in here."""

from novelray.corpus.schema import CHAPTERS, chapter_files, chapters

__all__ = ["CHAPTERS", "chapter_files", "chapters"]

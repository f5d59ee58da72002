"""Which chapters are the same: exactly, nearly, in another script or edition, or inside another book."""

from novelray.corpus.dedup.exact import ChapterKey, Duplicates, drop_duplicates, text_digest

__all__ = ["ChapterKey", "Duplicates", "drop_duplicates", "text_digest"]

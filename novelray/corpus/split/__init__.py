"""A book's text to its volumes, chapters and scenes. Every character belongs to exactly one piece."""

from novelray.corpus.split.pieces import Piece, SplitBook, split_book

__all__ = ["Piece", "SplitBook", "split_book"]

"""A book's text to its volumes, chapters and scenes. Every character belongs to exactly one piece."""

from novelray.corpus.split.pieces import Piece, SplitBook, split_book
from novelray.corpus.split.scenes import scenes

__all__ = ["Piece", "SplitBook", "scenes", "split_book"]

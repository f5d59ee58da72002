"""Which chapters are the same: exactly, nearly, in another script or edition, or inside another book."""

from novelray.corpus.dedup.book_pairs import BookPair
from novelray.corpus.dedup.decide import Decision, books_of, decide
from novelray.corpus.dedup.exact import text_digest
from novelray.corpus.dedup.find import find_pairs
from novelray.corpus.dedup.sketches import SKETCH, Sketch, sketch, sketch_table
from novelray.corpus.dedup.standing import BookFacts

__all__ = [
    "SKETCH", "BookFacts", "BookPair", "Decision", "Sketch", "books_of", "decide", "find_pairs", "sketch",
    "sketch_table", "text_digest",
]  # fmt: skip

"""Chapters become rows of tokens: tokenizer, packing, the shards that hold the rows, and their order."""

from novelray.shards.order import Order, RowOrder, share
from novelray.shards.rows import Batch, Rows, open_rows

__all__ = ["Batch", "Order", "RowOrder", "Rows", "open_rows", "share"]

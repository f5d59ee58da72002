"""Texts to token ids, fast and in bulk, by a tokenizer in a form that travels to workers without its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

BATCH_CHARS = 500_000
"""Characters handed to the tokenizer at once; bounds the memory that its own objects take."""


@dataclass(frozen=True)
class Encoder:
    """A tokenizer as data. A worker needs the `tokenizers` package for it and not transformers, which starts slowly."""

    json: str
    eos_id: int
    pad_id: int
    bos_id: int | None
    """Put before each text, by tokenizers that do so themselves: their models expect it."""
    vocab_size: int
    """One more than the largest id."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> Encoder:
        """The encoder of a loaded tokenizer (which has an end-of-text token, see `load_tokenizer`)."""
        eos_id = int(tokenizer.eos_token_id)  # type: ignore[arg-type]
        pad_id = tokenizer.pad_token_id
        opening = tokenizer("")["input_ids"]
        bos_id = tokenizer.bos_token_id
        return cls(
            json=tokenizer.backend_tokenizer.to_str(),
            eos_id=eos_id,
            pad_id=eos_id if pad_id is None else int(pad_id),
            bos_id=bos_id if bos_id is not None and list(opening[:1]) == [bos_id] else None,
            vocab_size=max(tokenizer.get_vocab().values()) + 1,
        )

    def encode(self, texts: Sequence[str]) -> Iterator[NDArray[np.int32]]:
        """Token ids of each text, without an end token. A special token's name in a text is text like any other."""
        tokenizer = _loaded(self.json)
        prefix = [] if self.bos_id is None else [self.bos_id]
        for batch in _batches(texts):
            for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield np.array(prefix + encoding.ids, dtype=np.int32)


@lru_cache(maxsize=2)
def _loaded(json: str) -> Tokenizer:
    tokenizer = Tokenizer.from_str(json)
    tokenizer.encode_special_tokens = True  # a book that quotes <|endoftext|> must not end a document
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > BATCH_CHARS:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch

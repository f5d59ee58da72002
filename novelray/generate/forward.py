"""What a step runs: a function from tokens and positions to logits, over the row cache."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from novelray.generate.cache import RowCache, reading_mask
from novelray.generate.decoder import Decoder


class Forward(Protocol):
    """One step of a model for the rows and tokens that the cache was told last.

    `reads_many`: whether several pieces of prompts may be read at once.
    """

    reads_many: bool

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: RowCache,
        every: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """Logits [rows, vocabulary] after the last token of each row, or of each piece that is read.

        `every`: after each token of the only piece that is read, [tokens, vocabulary].

        `ids`, `positions` [rows, tokens], pieces one after the other in one row; `mask`, of a decoding step only, is
        added to the scores [rows, 1, 1, attended].
        """
        ...


class General:
    """Any transformers causal language model, by its own forward."""

    reads_many = False

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: RowCache,
        every: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """See `Forward`."""
        if cache.spans:
            mask = reading_mask(cache.spans[0], next(self._model.parameters()))
        output = self._model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True,
            logits_to_keep=0 if every else 1,
        )  # fmt: skip
        logits: torch.Tensor = output.logits[0] if every else output.logits[:, -1]
        return logits


def fastest(model: Any) -> Forward:
    """The fastest forward for a model that the caller owns: its weights may become views of larger ones."""
    return Decoder.of(model) or General(model)

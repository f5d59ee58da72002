"""What a step runs: a function from tokens and positions to logits, over the row cache."""

from __future__ import annotations

from typing import Any, Protocol

import torch

from novelray.generate.cache import RowCache
from novelray.generate.decoder import Decoder


class Forward(Protocol):
    """One step of a model for the rows and tokens that the cache was told last."""

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: RowCache
    ) -> torch.Tensor:
        """Logits [rows, vocabulary] after the last of each row's tokens.

        `ids`, `positions` [rows, tokens]; `mask` is added to the scores [rows, 1, tokens, attended], None: causal.
        """
        ...


class General:
    """Any transformers causal language model, by its own forward."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: RowCache
    ) -> torch.Tensor:
        """See `Forward`."""
        output = self._model(
            input_ids=ids, position_ids=positions, attention_mask=mask, past_key_values=cache, use_cache=True,
            logits_to_keep=1,
        )  # fmt: skip
        logits: torch.Tensor = output.logits[:, -1]
        return logits


def fastest(model: Any) -> Forward:
    """The fastest forward for a model that the caller owns: its weights may become views of larger ones."""
    return Decoder.of(model) or General(model)

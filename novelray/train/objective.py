"""The loss: a sum over trained tokens, divided by the number of trained tokens in the global batch.

The module returns the sum; the loop divides. So micro-batch, accumulation, workers and ZeRO stage change neither the
loss nor the gradient beyond rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from novelray.models.packed import bounds_of, is_packed
from novelray.train.inputs import places_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BIG_VOCABULARY = 32_000
CHUNK = 2048


class NextTokenLoss(nn.Module):
    """A causal language model and its cross-entropy, summed over trained tokens, in nats.

    Rows are packed: no attention mask is passed, and `position_ids` that restart tell documents apart. The head is
    applied to the positions that predict a trained token and to no other.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        mask: torch.Tensor,
        bounds: torch.Tensor | None = None,
        places: torch.Tensor | None = None,
        each: bool = False,
    ) -> torch.Tensor:
        """As in `Inputs`; what is left out is computed, for which a GPU has to be waited for. Returns a scalar, or with
        `each` what `each_token_loss` does."""
        states = self.states(input_ids, position_ids, bounds)
        places = places_of(mask) if places is None else places
        return (self.each_token_loss if each else self.next_token_loss)(states, input_ids, places)

    def states(
        self, input_ids: torch.Tensor, position_ids: torch.Tensor, bounds: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The last layer's states [rows, context, hidden]."""
        return last_states(self.model, input_ids, position_ids, bounds)

    def each_token_loss(self, hidden: torch.Tensor, input_ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """The loss of every token, fp32 [rows, context], zero where none is trained."""
        losses: torch.Tensor = hidden.new_zeros(input_ids.numel(), dtype=torch.float32)
        losses[places + 1] = token_losses(*self._pairs(hidden, input_ids, places))
        return losses.view(input_ids.shape)

    def next_token_loss(self, hidden: torch.Tensor, input_ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """The loss of states, summed over the trained tokens."""
        if not places.numel():  # an empty row still goes through every weight: workers reduce gradients together
            zero: torch.Tensor = self.model.get_output_embeddings()(hidden[:, :1]).sum() * 0.0
            return zero
        return summed_loss(*self._pairs(hidden, input_ids, places))

    def _pairs(
        self, hidden: torch.Tensor, input_ids: torch.Tensor, places: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, nn.Module]:
        """The states that predict a trained token, those tokens, and the head."""
        head = self.model.get_output_embeddings()
        return hidden.flatten(0, 1)[places], input_ids.flatten()[places + 1], head


def last_states(
    model: PreTrainedModel, input_ids: torch.Tensor, position_ids: torch.Tensor, bounds: torch.Tensor | None = None
) -> torch.Tensor:
    """The states [rows, context, hidden] after a model's last layer."""
    inputs: dict[str, Any] = {"input_ids": input_ids, "position_ids": position_ids, "use_cache": False}
    if is_packed(model):
        inputs["cu_seq_lens_q"] = bounds_of(position_ids) if bounds is None else bounds
    loaded: Any = model
    hidden: torch.Tensor = loaded.get_decoder()(**inputs).last_hidden_state
    return hidden


def summed_loss(hidden: torch.Tensor, targets: torch.Tensor, head: nn.Module) -> torch.Tensor:
    """Cross-entropy summed over [tokens]; with a big vocabulary in chunks, so that the logits are never held whole."""
    if getattr(head, "out_features", 0) < BIG_VOCABULARY:
        return _loss(hidden, targets, head)
    pieces = [
        checkpoint(_loss, h, t, head, use_reentrant=False)
        for h, t in zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
    ]
    return torch.stack(pieces).sum()


def token_losses(hidden: torch.Tensor, targets: torch.Tensor, head: nn.Module) -> torch.Tensor:
    """Cross-entropy of each of [tokens], for measuring: without gradients one chunk's logits are held at a time."""
    pieces = zip(hidden.split(CHUNK), targets.split(CHUNK), strict=True)
    return torch.cat([_loss(h, t, head, "none") for h, t in pieces])


def _loss(hidden: torch.Tensor, targets: torch.Tensor, head: nn.Module, reduction: str = "sum") -> torch.Tensor:
    return functional.cross_entropy(head(hidden).float(), targets, reduction=reduction)

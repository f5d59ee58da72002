"""Which weights of a model are trained when its lower layers are kept as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def train_above(model: PreTrainedModel, frozen: int) -> PreTrainedModel:
    """The model with all weights trainable but those of its lowest `frozen` decoder layers and, if there are any such,
    of the input embeddings, in place.

    Raises ModelError when no layer would be left to train.
    """
    model.requires_grad_(True)
    if frozen == 0:
        return model
    decoder: Any = model.get_decoder()
    if frozen >= len(decoder.layers):
        raise ModelError(
            f"train.freeze_layers is {frozen}, and the model has {len(decoder.layers)} decoder layers.",
            f"Set it to at most {len(decoder.layers) - 1}.",
        )
    for module in (model.get_input_embeddings(), *decoder.layers[:frozen]):
        module.requires_grad_(False)
    return model

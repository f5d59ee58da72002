"""Heads that classify documents beside the language model: what they are, how they lie in a folder, what they say.

A head is a linear layer over the mean of the last layer's states (after the final norm) of a document's tokens. The
mean and not the last token's state: in training most documents are pieces that a row's end cuts off anywhere, a text to
classify has no end token, and the style or the mood of a text is in all of it.

    heads/heads.json           name, label, classes and pooling of each head
    heads/heads.safetensors    <name>.weight [classes, hidden] and <name>.bias [classes], fp32

They have a folder of their own, since some programs load every *.safetensors that lies beside config.json.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from novelray.errors import ModelError
from novelray.storage import Artifacts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FOLDER = "heads"
ABOUT_FILE, WEIGHTS_FILE = f"{FOLDER}/heads.json", f"{FOLDER}/heads.safetensors"
POOLING = "mean"
ATTRIBUTE = "novelray_heads"
"""Where a model in training holds its heads: their weights are named and committed with its own."""


@dataclass(frozen=True)
class Head:
    """A classifier. `label` is what it learned from: a column or a layer of the corpus. Tensors are fp32."""

    name: str
    label: str
    classes: tuple[str, ...]
    weight: torch.Tensor
    bias: torch.Tensor

    @classmethod
    def fresh(cls, name: str, label: str, classes: Sequence[str], hidden: int) -> Head:
        """A head that finds every class as likely as any other."""
        return cls(name, label, tuple(classes), torch.zeros(len(classes), hidden), torch.zeros(len(classes)))

    def grown_from(self, earlier: Head | None) -> Head:
        """This fresh head with what an earlier one has learned: its classes are there too, with their weights."""
        if earlier is None:
            return self
        both = sorted({*self.classes, *earlier.classes})
        grown = Head.fresh(self.name, self.label, both, earlier.weight.shape[1])
        places = [both.index(name) for name in earlier.classes]
        grown.weight[places], grown.bias[places] = earlier.weight, earlier.bias
        return grown

    def logits(self, states: torch.Tensor) -> torch.Tensor:
        """[..., classes] in fp32 for the mean states [..., hidden] of documents."""
        return nn.functional.linear(states.float(), self.weight.to(states.device), self.bias.to(states.device))


class HeadLayer(nn.Linear):
    """A head in training. `began` is what it started as."""

    def __init__(self, began: Head, dtype: torch.dtype) -> None:
        super().__init__(began.weight.shape[1], len(began.classes), dtype=dtype)
        self.began = began
        self.weight.data.copy_(began.weight)
        self.bias.data.copy_(began.bias)


def attach(model: PreTrainedModel, heads: Sequence[Head]) -> None:
    """Make the heads trainable parts of a model, in the precision of its embeddings."""
    check_fit(model, heads)
    dtype = embeddings_of(model).dtype
    setattr(model, ATTRIBUTE, nn.ModuleList([HeadLayer(head, dtype) for head in heads]))


def attached(model: PreTrainedModel, weights: Mapping[str, torch.Tensor]) -> list[Head]:
    """The heads in a model with these weights, by their parameters' names in the model; none without `attach`."""
    layers = enumerate(getattr(model, ATTRIBUTE, ()))
    return [
        replace(layer.began, **{kind: weights[f"{ATTRIBUTE}.{number}.{kind}"] for kind in ("weight", "bias")})
        for number, layer in layers
    ]


def check_fit(model: PreTrainedModel, heads: Sequence[Head]) -> None:
    """Raise ModelError when a head belongs to a model of another width."""
    hidden = embeddings_of(model).shape[1]
    for head in heads:
        if head.weight.shape[1] != hidden:
            raise ModelError(
                f"The head {head.name!r} reads {head.weight.shape[1]} values and the model has states of {hidden}.",
                "It belongs to another model. Remove the folder `heads`, or put the right one there.",
            )


def embeddings_of(model: PreTrainedModel) -> torch.Tensor:
    """The input embeddings [vocabulary, hidden]."""
    embeddings: Any = model.get_input_embeddings()
    found: torch.Tensor = embeddings.weight
    return found


def is_head(parameter: str) -> bool:
    """Whether a model's parameter belongs to a head."""
    return parameter.startswith(f"{ATTRIBUTE}.")


def document_means(hidden: torch.Tensor, position_ids: torch.Tensor, documents: int) -> torch.Tensor:
    """Mean states [rows, documents, hidden], in fp32, of the first `documents` documents of packed rows.

    `hidden` [rows, context, hidden]; `position_ids` [rows, context] are 0 where a document begins. Zeros where a row
    has fewer documents.
    """
    number = (position_ids == 0).cumsum(dim=1) - 1
    inside = number[:, None] == torch.arange(documents, device=number.device)[:, None]
    sums = inside.to(hidden.dtype) @ hidden
    return sums.float() / inside.sum(dim=-1, keepdim=True).clamp(min=1)


@torch.inference_mode()
def classify(model: Any, heads: Sequence[Head], token_ids: Sequence[int]) -> dict[str, list[float]]:
    """The probability of each class, in the order of `head.classes`, by head, for one text of at least one token."""
    ids = torch.tensor([list(token_ids)], device=embeddings_of(model).device)
    positions = torch.arange(ids.shape[1], device=ids.device)[None]
    hidden = model.get_decoder()(input_ids=ids, position_ids=positions, use_cache=False).last_hidden_state
    state = document_means(hidden, positions, 1)[0, 0]
    return {head.name: head.logits(state).softmax(-1).tolist() for head in heads}


def write_heads(heads: Sequence[Head], folder: Path) -> None:
    """Write the heads into a model's folder; nothing for none."""
    if not heads:
        return
    from safetensors.torch import save_file

    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    tensors = {f"{h.name}.{kind}": t for h in heads for kind, t in (("weight", h.weight), ("bias", h.bias))}
    save_file({name: tensor.float().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS_FILE)
    about = [{"name": h.name, "label": h.label, "classes": list(h.classes), "pooling": POOLING} for h in heads]
    (folder / ABOUT_FILE).write_text(json.dumps({"heads": about}, ensure_ascii=False, indent=2), "utf-8")


def heads_of(source: str, artifacts: Artifacts) -> tuple[Head, ...]:
    """The heads of a source's model (see models/source.py). Raises ModelError when they cannot be used."""
    kind, _, value = source.partition(":")
    if kind == "scratch":
        return ()
    if kind == "folder":
        return read_heads(Path(value))
    artifact = artifacts.get(value)  # only these files are read and verified: a model has many gigabytes
    if ABOUT_FILE not in artifact.manifest.files:
        return ()
    return _parsed(artifact.read(ABOUT_FILE), artifact.read(WEIGHTS_FILE), artifact.id)


def read_heads(folder: Path) -> tuple[Head, ...]:
    """The heads in a model's folder; none where it has none. Raises ModelError when they cannot be used."""
    if not (folder / ABOUT_FILE).is_file():
        return ()
    try:
        return _parsed((folder / ABOUT_FILE).read_bytes(), (folder / WEIGHTS_FILE).read_bytes(), str(folder))
    except OSError as error:
        raise _unusable(str(folder), error) from error


def _parsed(about: bytes, weights: bytes, where: str) -> tuple[Head, ...]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(weights)
        return tuple(_head(one, tensors) for one in json.loads(about)["heads"])
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise _unusable(where, error) from error


def _head(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Head:
    name, classes = about["name"], tuple(about["classes"])
    weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
    if about["pooling"] != POOLING or len(classes) != len(weight) or weight.shape[:1] != bias.shape:
        raise ValueError(
            f"{name} has {len(classes)} classes, weights {tuple(weight.shape)}, pooling {about['pooling']}"
        )
    return Head(name, about["label"], classes, weight, bias)


def _unusable(where: str, error: Exception) -> ModelError:
    return ModelError(
        f"The heads in {where} cannot be used: {type(error).__name__}: {error}.",
        "Take the model's artifact again, or remove its folder `heads`: the model writes without heads too.",
    )

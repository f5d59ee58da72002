"""A micro-batch on the device, made so that neither its copy nor its use has to wait for the device.

The host copies from pinned memory and goes on, so on a GPU the next rows are read and copied while the last ones are
still being computed. What would have to be counted on the device (where documents begin, which tokens are trained) is
counted here, before the copy. One stream is enough: a batch is some hundred KB.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from novelray.models.packed import bounds_of
from novelray.shards.rows import Rows


class Inputs(NamedTuple):
    """Some rows, [rows, context] each, and where to look in them when they are laid end to end."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    mask: torch.Tensor
    """True where the token is a trained target."""
    bounds: torch.Tensor
    """int32 [documents + 1]: where documents begin, and the end."""
    places: torch.Tensor
    """int64 [trained tokens]: the places of the states that predict a trained token."""


def on_device(rows: Rows, indices: NDArray[np.int64], device: str) -> Inputs:
    """The rows with these numbers, on their way to the device."""
    batch = rows.batch(indices)
    ids, positions, mask = (torch.from_numpy(x) for x in (batch.input_ids, batch.position_ids, batch.mask))
    made = Inputs(ids, positions, mask, bounds_of(positions), places_of(mask))
    return Inputs(*(_copied(tensor, device) for tensor in made))


def places_of(mask: torch.Tensor) -> torch.Tensor:
    """The places of the states that predict a token which the mask [rows, context] has, int64 [tokens]."""
    before = torch.zeros_like(mask)
    before[:, :-1] = mask[:, 1:]
    return before.flatten().nonzero()[:, 0]


def _copied(tensor: torch.Tensor, device: str) -> torch.Tensor:
    return tensor.pin_memory().to(device, non_blocking=True) if device.startswith("cuda") else tensor.to(device)

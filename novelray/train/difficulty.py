"""How hard rows are for a model: its own loss on each, before it is trained on any."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from novelray.shards.rows import Rows


def row_losses(model: PreTrainedModel, rows: Rows, numbers: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean loss per trained token of each of these rows, in nats, shape (n,); 0 for a row with none.

    One row at a time: what a row comes to does not depend on which others are measured, or where.
    """
    import torch

    from novelray.train.inputs import on_device
    from novelray.train.objective import NextTokenLoss

    objective = NextTokenLoss(model).eval()
    device = str(next(model.parameters()).device)
    losses = np.zeros(len(numbers))
    with torch.no_grad():
        for place, number in enumerate(numbers):
            summed = float(objective(*on_device(rows, np.array([number]), device)))
            losses[place] = summed / max(1, int(rows.trained[number]))
    return losses

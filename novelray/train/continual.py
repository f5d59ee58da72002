"""Elastic weight consolidation (Kirkpatrick et al., 2017): weights that the old rows depend on are held back.

The penalty is strength / 2 × Σ F (w − w₀)², in nats per token, with the Fisher information F of the model that the
stage starts from (novelray/train/fisher.py). It is an estimate, to second order, of how much the loss per old token has
risen. With adapters w − w₀ is the change that they make to the matrix under them, so that the same function is held
whatever the method.

Every worker holds F and w₀ of its share of the weights only, and adds its share of the penalty times the number of
workers to the loss of its first micro-batch: the engine's mean over workers gives the whole of it, once per step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from novelray.train.fisher import fisher_of, read_fisher
from novelray.train.job import Job, Place
from novelray.train.state import share_of, trainable

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Held:
    """One matrix or vector of weights. `change` gives w − w₀, fp32, with a gradient; `fisher` has its shape."""

    change: Callable[[], torch.Tensor]
    fisher: torch.Tensor

    def cost(self) -> torch.Tensor:
        """Half of Σ F (w − w₀)². Memory for one of these at a time: the change is computed again for the gradient."""
        half: torch.Tensor = checkpoint(self._cost, use_reentrant=False, preserve_rng_state=False)
        return half

    def _cost(self) -> torch.Tensor:
        return 0.5 * (self.fisher.float() * self.change().square()).sum()


class Penalty:
    """What this worker adds to its loss for having moved away from where the stage started."""

    def __init__(self, held: list[Held], strength: float, place: Place) -> None:
        self._held, self._strength, self._device = held, strength, place.device

    def __call__(self) -> torch.Tensor:
        """This worker's share, in nats per token (fp32 scalar). All workers' shares together are the penalty."""
        total = torch.zeros((), device=self._device)
        for one in self._held:
            total = total + one.cost()
        return self._strength * total


def penalty_of(job: Job, place: Place, model: PreTrainedModel) -> Penalty | None:
    """The penalty of a stage that has one. Collective; `model` has the source's weights, not yet a commit's."""
    ewc = job.stage.continual.ewc
    if ewc is None:
        return None
    moved: Any = model
    fisher = fisher_of(job, place, moved.to(place.device))
    changes = _adapter_changes(model) if job.stage.adapts else _weight_changes(model)
    mine = share_of({name: weight for name, (weight, _) in changes.items()}, place.rank, place.world)
    held = [
        Held(changes[name][1](), value.to(place.device))
        for name, value in read_fisher(fisher, lambda name: name in mine)
    ]
    assert len(held) == len(mine), sorted(mine)[:3]
    return Penalty(held, ewc.strength, place)


Start = Callable[[], Callable[[], torch.Tensor]]
"""Remembers where a weight stands now and gives its `change` from there."""


def _weight_changes(model: PreTrainedModel) -> dict[str, tuple[torch.nn.Parameter, Start]]:
    """Name in the source → (the weight, its start)."""
    return {name: (weight, partial(_moved, weight)) for name, weight in trainable(model).items()}


def _moved(weight: torch.nn.Parameter) -> Callable[[], torch.Tensor]:
    start = weight.detach().clone()
    return lambda: weight.float() - start.float()


def _adapter_changes(model: PreTrainedModel) -> dict[str, tuple[torch.nn.Parameter, Start]]:
    from peft.tuners.lora import LoraLayer

    layers: dict[str, Any] = {name: module for name, module in model.named_modules() if isinstance(module, LoraLayer)}
    return {f"{name}.weight": (layer.base_layer.weight, partial(_adapted, layer)) for name, layer in layers.items()}


def _adapted(layer: Any) -> Callable[[], torch.Tensor]:
    """What an adapter makes of its layer's matrix, less what it makes of it now.

    That is scaling × B A, less nothing where B is zero; where the adapter has taken a part of the base's matrix over
    (PiSSA) its start counts; with DoRA the magnitudes do too.
    """
    down: torch.Tensor
    up: torch.Tensor
    down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    scaling: float = layer.scaling["default"]
    base: torch.Tensor = layer.base_layer.weight
    start = scaling * (up.detach().float() @ down.detach().float()) if bool(up.any()) else None
    magnitude = layer.lora_magnitude_vector["default"].weight if layer.lora_magnitude_vector else None

    def change() -> torch.Tensor:
        added: torch.Tensor = scaling * (up.float() @ down.float())
        if magnitude is not None:
            whole = base.float() + added
            added = (magnitude.float() / whole.norm(dim=1))[:, None] * whole - base.float()
        return added if start is None else added - start

    return change

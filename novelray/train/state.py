"""What a commit holds and how a run takes it up again, on any number of workers and any ZeRO stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from novelray.checkpoints.commit import Commit, Tensors
from novelray.checkpoints.export import WEIGHT
from novelray.errors import DamagedError
from novelray.train.engine import MOMENTS, restore_step, restore_tensor, whole_moments, whole_tensors

if TYPE_CHECKING:
    import torch

INITIAL = "init/"
"""Prefix in a commit of the weights that the adapters of a PiSSA run began as (models/pissa.py)."""

Parameters = dict[str, "torch.nn.Parameter"]


def trainable(model: torch.nn.Module) -> Parameters:
    """The trainable parameters by name, in the model's order (the same on every rank). Tied weights are there once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def share_of(parameters: Parameters, rank: int, world: int) -> set[str]:
    """The names whose tensors this rank writes: greedy by size, so that all ranks write about as much."""
    loads = [0] * world
    mine: set[str] = set()
    for name, parameter in sorted(parameters.items(), key=lambda item: -_numel(item[1])):
        lightest = loads.index(min(loads))
        loads[lightest] += _numel(parameter)
        if lightest == rank:
            mine.add(name)
    return mine


def snapshot(engine: Any, parameters: Parameters, rank: int, world: int) -> Tensors:
    """This rank's share of weights and moments, copied to CPU memory. Collective."""
    return dict(whole_tensors(engine, parameters, share_of(parameters, rank, world)))


def initial_of(commit: Commit) -> Tensors:
    """What the adapters of a PiSSA run began as. Raises DamagedError when the commit does not say."""
    found = {name.removeprefix(INITIAL): value for name, value in commit.tensors(lambda n: n.startswith(INITIAL))}
    if not found:
        raise DamagedError(f"{commit.folder} does not say what its adapters began as.", "Start a new run.")
    return found


def is_finite(tensors: Tensors) -> bool:
    """Whether all weights of a snapshot are numbers. A moment that is none makes its weight none in the same step."""
    return all(bool(t.isfinite().all()) for name, t in tensors.items() if name.startswith(WEIGHT))


def load_weights(commit: Commit, model: torch.nn.Module) -> None:
    """Put a commit's weights into a model, before any engine is built around it.

    Raises DamagedError when the commit does not hold exactly the trainable weights.
    """
    parameters = trainable(model)
    missing = set(parameters)
    for name, value in commit.tensors(lambda name: name.startswith(WEIGHT)):
        key = name.removeprefix(WEIGHT)
        if key not in parameters or parameters[key].shape != value.shape:
            raise DamagedError(
                f"{commit.folder} has a weight {key!r} that does not fit this model.", "Start a new run."
            )
        parameters[key].data.copy_(value)
        missing.discard(key)
    if missing:
        raise DamagedError(f"{commit.folder} lacks {len(missing)} weights, first {min(missing)!r}.", "Start a new run.")


def load_optimizer(commit: Commit, engine: Any, parameters: Parameters, bf16: bool) -> None:
    """Put moments, step count and (in bf16) the fp32 master weights back. Each rank reads all and keeps its piece."""
    kinds = (*MOMENTS, "weight") if bf16 else MOMENTS
    with whole_moments(engine, keep=True):
        for name, value in commit.tensors(lambda name: name.partition("/")[0] in kinds):
            kind, _, key = name.partition("/")
            restore_tensor(engine, parameters[key], kind, value)
    restore_step(engine, commit.step)


def _numel(parameter: Any) -> int:
    return int(getattr(parameter, "ds_numel", parameter.numel()))

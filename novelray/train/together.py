"""What the workers of a stage agree on. With one worker, or without a process group, nothing is sent."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist


def all_reduce(tensor: torch.Tensor) -> None:
    """Sum over the workers, in place; nothing to do for one."""
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.all_reduce(tensor)


def told_by_rank_0(value: Any) -> Any:
    """What rank 0 passes, on every rank. All of them call it; the others' own values are not looked at."""
    told = [value]
    if dist.is_initialized() and dist.get_world_size() > 1:
        dist.broadcast_object_list(told, src=0)
    return told[0]

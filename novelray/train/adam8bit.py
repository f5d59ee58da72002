"""AdamW whose moments take 8 bits each (Dettmers et al., 2022), by bitsandbytes, on GPUs and CPUs.

The moments are stored in blocks of 256 numbers, each with its largest one in fp32 (2.03 bytes a weight instead of 8);
tensors of fewer than 4,096 numbers keep theirs in fp32. What is not whole tensors in fp32, which is what commits hold,
stays in this file: `unpacked` gives the moments in that form and takes them back.

Bringing the moments back and packing them again in the same blocks changes no bit. For that one number of the table
that the library packs the first moment with is moved: its lowest is -0.993, so that a block whose largest number is
negative would lose that number's size. On another number of workers or ZeRO stage blocks begin elsewhere, and moments
are rounded to 8 bits once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from novelray.errors import missing_package

if TYPE_CHECKING:
    import torch

    from novelray.recipe.train import StageSection

BLOCK = 256
PIECE = 1 << 24  # numbers that are brought back at once: a multiple of BLOCK
KINDS = {"exp_avg": "1", "exp_avg_sq": "2"}


def adam8bit(groups: list[dict[str, Any]], stage: StageSection) -> torch.optim.Optimizer:
    """The optimiser over groups of parameters. Raises NovelRayError when bitsandbytes is not installed."""
    try:
        from bitsandbytes.optim import AdamW8bit
    except ImportError:
        raise missing_package("bitsandbytes", "quantised") from None
    made: Any = AdamW8bit(groups, lr=stage.learning_rate, betas=stage.betas, eps=stage.epsilon)
    made.name2qmap["dynamic"][0] = -1.0
    optimizer: torch.optim.Optimizer = made
    return optimizer


def is_packed(adam: Any) -> bool:
    """Whether an optimiser is one of these."""
    return hasattr(adam, "name2qmap")


def create_moments(adam: Any, parameters: Iterable[torch.Tensor]) -> None:
    """Zero moments for every parameter, now instead of at the first step."""
    group = adam.param_groups[0]  # what is read of a group is alike in all of them
    own = group["params"]
    for parameter in parameters:
        group["params"] = [parameter]  # DeepSpeed, too, shows it one at a time under ZeRO-3
        adam.init_state(group, parameter, 0, 0)
    group["params"] = own


@contextmanager
def unpacked(adam: Any, keep: bool) -> Iterator[None]:
    """While inside, each parameter's state has `exp_avg` and `exp_avg_sq` in fp32 and its shape, in CPU memory where
    they were packed. `keep`: what they are in the end is packed."""
    for state in adam.state.values():
        for kind, digit in KINDS.items():
            small = state[f"state{digit}"].element_size() == 4
            state[kind] = state[f"state{digit}"] if small else _unpack(state, digit)
    try:
        yield
        for state in adam.state.values():
            for kind, digit in KINDS.items():
                if keep and state[kind] is not state[f"state{digit}"]:
                    _pack(state, digit, state[kind])
    finally:
        for state in adam.state.values():
            for kind in KINDS:
                del state[kind]


def _unpack(state: dict[str, Any], digit: str) -> torch.Tensor:
    import torch
    from bitsandbytes.functional import dequantize_blockwise

    packed = state[f"state{digit}"]
    whole = torch.empty(packed.shape, dtype=torch.float32)
    for numbers, blocks in _pieces(packed.numel()):
        whole.view(-1)[numbers] = dequantize_blockwise(
            packed.view(-1)[numbers], absmax=state[f"absmax{digit}"][blocks], code=state[f"qmap{digit}"],
            blocksize=BLOCK,
        ).cpu()  # fmt: skip
    return whole


def _pack(state: dict[str, Any], digit: str, whole: torch.Tensor) -> None:
    """The nearest number of the table for each. The library's own search is off by one now and then, on a CPU."""
    import torch

    packed, table = state[f"state{digit}"], state[f"qmap{digit}"]
    halfway = (table[1:] + table[:-1]) / 2
    for numbers, blocks in _pieces(packed.numel()):
        piece = whole.view(-1)[numbers].to(packed.device)
        rows = torch.nn.functional.pad(piece, (0, -len(piece) % BLOCK)).view(-1, BLOCK)
        largest = rows.abs().amax(dim=1)
        found = torch.bucketize(rows / largest.where(largest > 0, 1.0)[:, None], halfway)
        packed.view(-1)[numbers] = found.view(-1)[: len(piece)].to(torch.uint8)
        state[f"absmax{digit}"][blocks] = largest


def _pieces(count: int) -> Iterator[tuple[slice, slice]]:
    """Where each piece's numbers and its blocks' scales stand."""
    for start in range(0, count, PIECE):
        end = min(start + PIECE, count)
        yield slice(start, end), slice(start // BLOCK, -(-end // BLOCK))

"""Sparse attention against dense, forward and backward, on one row of a long text.

    python benchmarks/gpu/attention.py                                  16,384 tokens on a GPU, heads as in a 7B model
    python benchmarks/gpu/attention.py --tokens 8192 --heads 8 --kv-heads 2 --dim 64

The goal, 1.4 times dense at 16k tokens, needs a GPU: FlexAttention's kernels against the flash kernel of SDPA. Without
one the same script times the blocked computation on the CPU. Only attention is timed: no projections, no MLP. What it
does not show: packed documents, and decoding, which reads the whole cache.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from novelray.models.attention import sparse_attention
from novelray.models.pattern import RECORD
from novelray.recipe.longtext import AttentionSection


def main() -> None:
    """Time both, print a table and one line of JSON."""
    options = _options()
    cuda = torch.cuda.is_available()
    device, dtype = ("cuda", torch.bfloat16) if cuda else ("cpu", torch.float32)
    section = AttentionSection(
        block=options.block, window_blocks=options.window, global_blocks=options.first, random_blocks=options.random
    )
    torch.manual_seed(0)
    shapes = [(options.heads, options.dim), (options.kv_heads, options.dim), (options.kv_heads, options.dim)]
    states = [torch.randn(1, h, options.tokens, d, device=device, dtype=dtype, requires_grad=True) for h, d in shapes]
    positions = torch.arange(options.tokens, device=device)[None]
    module: Any = SimpleNamespace(config=SimpleNamespace(**{RECORD: section.model_dump(mode="json")}))

    def sparse() -> torch.Tensor:
        return sparse_attention(module, *states, None, position_ids=positions)[0]

    def dense() -> torch.Tensor:
        return torch.nn.functional.scaled_dot_product_attention(*states, is_causal=True, enable_gqa=True)

    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads"
    }
    found |= {**vars(options), "reach": section.reach}
    for name, run in (("dense", dense), ("sparse", sparse)):
        for what, work in (("forward", lambda run=run: _forward(run)), ("both", lambda run=run: _both(run))):
            found[f"{name}_{what}_s"] = round(_seconds(work, options.repeats, cuda), 5)
            print(f"{name:7} {what:8} {found[f'{name}_{what}_s'] * 1e3:10.1f} ms")
    for what in ("forward", "both"):
        found[f"ratio_{what}"] = round(found[f"dense_{what}_s"] / found[f"sparse_{what}_s"], 3)
        print(f"dense / sparse, {what}: {found[f'ratio_{what}']}")
    print(json.dumps(found))


def _forward(run: Callable[[], torch.Tensor]) -> None:
    with torch.no_grad():
        run()


def _both(run: Callable[[], torch.Tensor]) -> None:
    run().sum().backward()


def _seconds(work: Callable[[], None], repeats: int, cuda: bool) -> float:
    """The best of so many runs, after two that compile and warm up: neighbours only ever slow a run down."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        work()
        if cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times[2:])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tokens", 16384), ("heads", 32), ("kv-heads", 8), ("dim", 128), ("block", 128),
                          ("window", 8), ("first", 1), ("random", 3), ("repeats", 5)):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Which tokens may see which under sparse attention: one pure function of two positions in one document.

A causal BigBird (Zaheer et al., 2020): with positions in blocks, a query sees its own block and the `window - 1`
before, the first `first` blocks of the document, and up to `random` blocks between those two, one from each of as many
equal spans. Positions are those in the document, so packing changes nothing.

Training, evaluation, serving, the blocked computation, FlexAttention and the tests' dense mask all ask `allowed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from novelray.recipe.longtext import AttentionSection

if TYPE_CHECKING:
    import torch

RECORD = "novelray_attention"
"""Key in a model's config.json that holds its AttentionSection."""


@dataclass(frozen=True)
class Pattern:
    """Sizes in blocks, but `block`, which is in tokens."""

    block: int
    window: int
    first: int
    random: int
    seed: int


def pattern_of(config: Any) -> Pattern | None:
    """The pattern in a model's configuration; None for full attention."""
    record = getattr(config, RECORD, None)
    if not record:
        return None
    section = AttentionSection.model_validate(record)
    return Pattern(section.block, section.window_blocks, section.global_blocks, section.random_blocks, section.seed)


def set_pattern(config: Any, section: AttentionSection | None) -> None:
    """Write the recipe's choice into a model's configuration; None leaves what is there."""
    if section is not None:
        setattr(config, RECORD, section.model_dump(mode="json") if section.type == "sparse" else None)


def allowed(query: torch.Tensor, key: torch.Tensor, pattern: Pattern, table: torch.Tensor) -> torch.Tensor:
    """Whether the token at position `query` sees the one at position `key` of its document.

    Integer tensors that broadcast; `table` as from `random_table`, with a row for every block of the queries.
    """
    here, there = query // pattern.block, key // pattern.block
    seen = (there > here - pattern.window) | (there < pattern.first)
    for slot in range(pattern.random):
        seen = seen | (table[here, slot] == there)
    return seen & (key <= query)


def random_table(pattern: Pattern, tokens: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """[blocks, random] int32: the random blocks that each block of a document sees, -1 where there is none.

    Row i depends on i and the pattern alone; there are rows for at least so many tokens.
    """
    import torch

    blocks = 1 << max(0, -(-tokens // pattern.block) - 1).bit_length()
    return torch.from_numpy(_drawn(pattern, blocks)).to(device)


@lru_cache(maxsize=16)
def _drawn(pattern: Pattern, blocks: int) -> np.ndarray:
    here = np.arange(blocks, dtype=np.int64)[:, None]
    slot = np.arange(pattern.random, dtype=np.int64)[None]
    between = np.maximum(here - pattern.window + 1 - pattern.first, 0)  # blocks from the first ones to the window
    low, high = between * slot // max(1, pattern.random), between * (slot + 1) // max(1, pattern.random)
    drawn = _mixed(pattern.seed, here, slot) % np.maximum(high - low, 1).astype(np.uint64)
    return np.where(high > low, pattern.first + low + drawn.astype(np.int64), -1).astype(np.int32)


def _mixed(seed: int, here: np.ndarray, slot: np.ndarray) -> np.ndarray:
    """Well-mixed 64-bit numbers (the finaliser of SplitMix64; Steele, Lea and Flood, 2014)."""
    x = here.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + slot.astype(np.uint64) * np.uint64(0xD1B54A32D192ED03)
    x = x + np.array([seed % 2**64], np.uint64) * np.uint64(0xA24BAED4963EE407)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = x ^ (x >> np.uint64(31))
    return mixed

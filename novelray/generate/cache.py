"""The key-value cache: one row per running request, written in place, grown when a longer text needs it.

Per layer two tensors [rows, heads, length, dim]. Every text starts at position 0 of its row, so position ids are plain
counts and what lies beyond a row's length is masked. Lengths handed to attention are multiples of STRIDE: on the CPU
the attention kernel then adds up in the same order whatever length the longest neighbour has (see steady.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import Cache

STRIDE = 64
"""Tokens by which the attended length grows."""


class _Layer:
    """One layer's keys and values, and the flags that transformers asks a cache layer for."""

    is_sliding = is_linear = is_dummy = is_compileable = False

    def __init__(self) -> None:
        self.keys: torch.Tensor | None = None
        self.values: torch.Tensor | None = None


class RowCache(Cache):
    """Call `prefill` or `decode` to say what the next forward writes, then run it with this as `past_key_values`."""

    def __init__(self, layers: int, max_rows: int, context: int) -> None:
        rows: list[Any] = [_Layer() for _ in range(layers)]
        super().__init__(layers=rows)
        self._max = (max_rows, -(-context // STRIDE) * STRIDE)
        self._size = (0, 0)
        self._prefill: tuple[int, int] | None = None
        self._seen = 0
        self._view = (0, 0)
        self._index: tuple[torch.Tensor, torch.Tensor] | None = None

    def prefill(self, row: int, start: int, count: int) -> None:
        """The next forward puts `count` tokens of one text into `row`, after the `start` tokens that are there."""
        self._reserve(row + 1, start + count)
        self._prefill, self._seen = (row, start), start

    def decode(self, lengths: torch.Tensor, longest: int) -> int:
        """The next forward adds one token to each of the first len(lengths) rows, at position `lengths[row]`.

        `lengths` lies on the model's device; `longest` is its maximum. Returns the length attended to: the mask's.
        """
        rows = len(lengths)
        attended = min(-(-(longest + 1) // STRIDE) * STRIDE, self._max[1])
        self._reserve(rows, attended)
        self._prefill, self._seen, self._view = None, attended - 1, (rows, attended)
        self._index = (torch.arange(rows, device=lengths.device), lengths)
        return attended

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new states [rows, heads, tokens, dim] of a layer; returns all that attention has to see."""
        layer: Any = self.layers[layer_idx]
        layer.keys = self._fit(layer.keys, key_states)
        layer.values = self._fit(layer.values, value_states)
        if self._prefill is not None:
            row, start = self._prefill
            end = start + key_states.shape[2]
            layer.keys[row, :, start:end] = key_states[0]
            layer.values[row, :, start:end] = value_states[0]
            return layer.keys[row : row + 1, :, :end], layer.values[row : row + 1, :, :end]
        assert self._index is not None
        rows, lengths = self._index
        layer.keys[rows, :, lengths] = key_states[:, :, 0]
        layer.values[rows, :, lengths] = value_states[:, :, 0]
        count, attended = self._view
        return layer.keys[:count, :, :attended], layer.values[:count, :, :attended]

    def move(self, source: int, target: int, length: int) -> None:
        """Copy the first `length` tokens of a row over another row."""
        if length == 0:
            return  # a row that nothing was read into may lie beyond what is allocated
        for tensor in self._tensors():
            tensor[target, :, :length] = tensor[source, :, :length]

    def copy(self, row: int, start: int, end: int) -> tuple[torch.Tensor, ...]:
        """The states of some tokens of a row, layer by layer."""
        return tuple(tensor[row, :, start:end].clone() for tensor in self._tensors())

    def paste(self, row: int, start: int, states: Sequence[torch.Tensor]) -> None:
        """Put states that `copy` gave into a row, after the `start` tokens that are there."""
        self._reserve(row + 1, start + states[0].shape[1])
        layers: list[Any] = self.layers
        for layer, keys, values in zip(layers, states[::2], states[1::2], strict=True):
            layer.keys, layer.values = self._fit(layer.keys, keys[None]), self._fit(layer.values, values[None])
            end = start + keys.shape[1]
            layer.keys[row, :, start:end], layer.values[row, :, start:end] = keys, values

    def clear(self, row: int) -> None:
        """Zero a row: a NaN left in it would reach the next text through the masked positions (0 × NaN)."""
        for tensor in self._tensors():
            if row < len(tensor):
                tensor[row] = 0

    def reset(self) -> None:
        """Give the memory back."""
        for layer in self.layers:
            layer.keys = layer.values = None  # type: ignore[union-attr]
        self._size = (0, 0)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self._seen

    def get_query_offset(self, layer_idx: int = 0) -> int:
        return self._seen

    def get_mask_sizes(self, query_length: int, layer_idx: int) -> tuple[int, int]:
        return self._seen + query_length, 0

    @property
    def is_compileable(self) -> bool:
        return False

    def _tensors(self) -> list[torch.Tensor]:
        layers: list[Any] = self.layers
        return [t for layer in layers for t in (layer.keys, layer.values) if t is not None]

    def _reserve(self, rows: int, length: int) -> None:
        """Room for so many rows and tokens: at least doubled, so that growing costs little on the whole."""
        have_rows, have_length = self._size
        if rows > have_rows:
            have_rows = min(max(rows, 2 * have_rows, 2), self._max[0])
        if length > have_length:
            have_length = min(max(-(-length // STRIDE) * STRIDE, 2 * have_length), self._max[1])
        self._size = (have_rows, have_length)

    def _fit(self, tensor: torch.Tensor | None, new: torch.Tensor) -> torch.Tensor:
        """The layer's tensor at the reserved size. Layers may differ in heads and width."""
        shape = (self._size[0], new.shape[1], self._size[1], new.shape[3])
        if tensor is not None and tensor.shape == shape:
            return tensor
        grown = new.new_zeros(shape)
        if tensor is not None:
            grown[: tensor.shape[0], :, : tensor.shape[2]] = tensor
        return grown

"""The key-value cache: one row per running request, written in place, grown when a longer text needs it.

Per layer two tensors [rows, heads, length, dim]. Every text starts at position 0 of its row, so position ids are plain
counts and what lies beyond a row's length is masked. Lengths handed to attention are multiples of STRIDE: on the CPU
the attention kernel then adds up in the same order whatever length the longest neighbour has (see steady.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from transformers import Cache

STRIDE = 64
"""Tokens by which the attended length grows."""


class Span(NamedTuple):
    """A piece of a prompt: `length` tokens of one text, which come into `row` after the `start` tokens there."""

    row: int
    start: int
    length: int


class _Layer:
    """One layer's keys and values, and the flags that transformers asks a cache layer for."""

    is_sliding = is_linear = is_dummy = is_compileable = False

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Give the memory back."""
        self.size = self.view = (0, 0)
        self.keys: Any = None
        self.values: Any = None
        self.both: Any = None  # where they have one shape: of which the two are halves
        self._seen: Any = None

    def grow(self, size: tuple[int, int], keys: torch.Tensor, values: torch.Tensor) -> None:
        """Room for `size` rows and tokens of states like these; what is there stays."""
        before, heads = self.tensors(), keys.shape[1]
        if keys.shape == values.shape:
            self.both = keys.new_zeros(size[0], 2 * heads, size[1], keys.shape[3])
            self.keys, self.values = self.both[:, :heads], self.both[:, heads:]
        else:
            self.keys, self.values = (t.new_zeros(size[0], t.shape[1], size[1], t.shape[3]) for t in (keys, values))
        for old, new in zip(before, self.tensors(), strict=False):
            new[: old.shape[0], :, : old.shape[2]] = old
        self.size, self.view = size, (0, 0)

    def look(self, view: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of so many rows and tokens. The same ones are asked for many steps in a row."""
        if self.view != view:
            count, attended = view
            self.view, self._seen = view, (self.keys[:count, :, :attended], self.values[:count, :, :attended])
        seen: tuple[torch.Tensor, torch.Tensor] = self._seen
        return seen

    def tensors(self) -> list[torch.Tensor]:
        """Keys and values, where there are any."""
        return [] if self.keys is None else [self.keys, self.values]


class RowCache(Cache):
    """Call `prefill` or `decode` to say what the next forward writes, then run it with this as `past_key_values`."""

    def __init__(self, layers: int, max_rows: int, context: int) -> None:
        rows: list[Any] = [_Layer() for _ in range(layers)]
        super().__init__(layers=rows)
        self._max = (max_rows, -(-context // STRIDE) * STRIDE)
        self._size = (0, 0)
        self.spans: tuple[Span, ...] = ()  # what the next forward reads; none: it decodes
        self._seen = 0
        self._view = (0, 0)
        self._index: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def length(self) -> int:
        """Tokens that a row has room for; no position of the next forward lies beyond."""
        return self._size[1]

    def prefill(self, *spans: Span) -> None:
        """The next forward reads these pieces of prompts, each for a row of its own."""
        for row, start, length in spans:
            self._reserve(row + 1, start + length)
        self.spans, self._seen = spans, spans[0].start

    def decode(self, lengths: torch.Tensor, longest: int) -> int:
        """The next forward adds one token to each of the first len(lengths) rows, at position `lengths[row]`.

        `lengths` lies on the model's device; `longest` is its maximum. Returns the length attended to: the mask's.
        """
        rows = len(lengths)
        attended = min(-(-(longest + 1) // STRIDE) * STRIDE, self._max[1])
        self._reserve(rows, attended)
        self.spans, self._seen, self._view = (), attended - 1, (rows, attended)
        self._index = (torch.arange(rows, device=lengths.device), lengths)
        return attended

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the new states [rows, heads, tokens, dim] of a layer; returns all that attention has to see."""
        if self.spans:
            (span,) = self.spans
            return self.write(span, key_states, value_states, layer_idx)
        layer = self._layer(layer_idx, key_states, value_states)
        assert self._index is not None
        rows, lengths = self._index
        layer.keys[rows, :, lengths] = key_states[:, :, 0]
        layer.values[rows, :, lengths] = value_states[:, :, 0]
        return layer.look(self._view)

    def append(self, states: torch.Tensor, layer_idx: int) -> tuple[torch.Tensor, torch.Tensor]:
        """`update` of a decoding step in one write, for keys and values of one shape.

        `states` [rows, 2 heads, dim]: the keys' heads, then the values'.
        """
        keys, values = states.unsqueeze(2).chunk(2, 1)
        layer = self._layer(layer_idx, keys, values)
        assert self._index is not None
        rows, lengths = self._index
        layer.both[rows, :, lengths] = states
        return layer.look(self._view)

    def write(
        self, span: Span, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write the states [1, heads, tokens, dim] of a piece; returns those of its text so far."""
        layer = self._layer(layer_idx, key_states, value_states)
        row, start, length = span
        end = start + length
        layer.keys[row, :, start:end], layer.values[row, :, start:end] = key_states[0], value_states[0]
        return layer.keys[row : row + 1, :, :end], layer.values[row : row + 1, :, :end]

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
        for at, (keys, values) in enumerate(zip(states[::2], states[1::2], strict=True)):
            self.write(Span(row, start, keys.shape[1]), keys[None], values[None], at)

    def clear(self, row: int) -> None:
        """Zero a row: a NaN left in it would reach the next text through the masked positions (0 × NaN)."""
        for tensor in self._tensors():
            if row < len(tensor):
                tensor[row] = 0

    def reset(self) -> None:
        """Give the memory back."""
        for layer in self.layers:
            layer.reset()
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

    def _layer(self, at: int, keys: torch.Tensor, values: torch.Tensor) -> _Layer:
        """A layer with room for what was announced. Layers may differ in heads and width."""
        layer: _Layer = self.layers[at]  # type: ignore[assignment]
        if layer.size != self._size:
            layer.grow(self._size, keys, values)
        return layer

    def _tensors(self) -> list[torch.Tensor]:
        layers: list[Any] = self.layers
        return [t for layer in layers for t in layer.tensors()]

    def _reserve(self, rows: int, length: int) -> None:
        """Room for so many rows and tokens: at least doubled, so that growing costs little on the whole."""
        have_rows, have_length = self._size
        if rows > have_rows:
            have_rows = min(max(rows, 2 * have_rows, 2), self._max[0])
        if length > have_length:
            have_length = min(max(-(-length // STRIDE) * STRIDE, 2 * have_length), self._max[1])
        self._size = (have_rows, have_length)


def reading_mask(span: Span, like: torch.Tensor) -> torch.Tensor | None:
    """What a piece adds to its scores [1, 1, tokens, attended]: 0 up to the token itself, -inf beyond; None: causal."""
    if span.start == 0:
        return None
    end = span.start + span.length
    at = torch.arange(end, device=like.device)
    return like.new_zeros(span.length, end).masked_fill_(at > at[span.start :, None], float("-inf"))[None, None]

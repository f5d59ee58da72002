"""The forward of Llama- and Qwen2-shaped models with little Python in it: what transformers computes, in fewer steps.

For small models most of a decoding step is the interpreter: transformers runs about sixty operations a layer, this file
some twenty. Query, key and value are one product, gate and up another; the model's own weights become views of the
joined ones, so nothing is held twice and adapters still find their layers (but see onednn.py). Several prompts are read
at once, one after the other in one row, each attending to itself. Other models take the general path.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch.nn import functional

from novelray.generate.cache import RowCache, reading_mask
from novelray.generate.lora import AdaptedLinear
from novelray.generate.onednn import Packer, product
from novelray.generate.steady import ATTENTION, FEWEST_ROWS

SHAPES = {"LlamaForCausalLM", "Qwen2ForCausalLM"}


class Decoder:
    """Implements `novelray.generate.forward.Forward`. Made by `Decoder.of`, which knows whether the model fits."""

    reads_many = True

    def __init__(self, model: Any) -> None:
        body, pack = model.model, Packer()
        self._embed, self._turns, self._norm = body.embed_tokens, _Turns(body.rotary_emb), _Norm(body.norm)
        self._head = _Product(model, ("lm_head",), pack)
        if self._head.packed is not None:  # what is left to it is to look tokens up: row by row
            body.embed_tokens.weight.data = body.embed_tokens.weight.data.contiguous()
        self._layers = [_Layer(layer, pack) for layer in body.layers]

    @classmethod
    def of(cls, model: Any) -> Decoder | None:
        """The decoder of a model that the caller owns (its weights become views), or None where it does not fit."""
        return cls(model) if _fits(model) else None

    def __call__(
        self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None, cache: RowCache,
        every: bool = False,
    ) -> torch.Tensor:  # fmt: skip
        """See `Forward`."""
        tokens = ids.shape[1]
        if cache.spans and tokens < FEWEST_ROWS:  # as for a step: few rows add up in another order
            ids, positions = (functional.pad(t, (0, FEWEST_ROWS - tokens)) for t in (ids, positions))
        x = self._embed(ids)
        turn = self._turns(x, positions, cache.length)
        masks = [reading_mask(span, x) for span in cache.spans] or [mask]
        for index, layer in enumerate(self._layers):
            x = layer(x, turn, masks, cache, index)
        if every:
            return self._head(self._norm(x))[0, :tokens]
        last = x[:, _ends(cache) if cache.spans else [-1]]
        return self._head(self._norm(last)).flatten(0, 1)[: len(cache.spans) or None]


class _Layer:
    """One layer, its parts taken from the transformers module."""

    def __init__(self, layer: Any, pack: Packer) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._before, self._between = _Norm(layer.input_layernorm), _Norm(layer.post_attention_layernorm)
        self._dim, self._scale = attention.head_dim, attention.scaling
        self._qkv = _Product(attention, ("q_proj", "k_proj", "v_proj"), pack)
        self._out = _Product(attention, ("o_proj",), pack)
        self._gate_up = _Product(mlp, ("gate_proj", "up_proj"), pack)
        self._down = _Product(mlp, ("down_proj",), pack)
        self._heads = attention.q_proj.out_features // self._dim
        self._groups = attention.k_proj.out_features // self._dim

    def __call__(
        self,
        x: torch.Tensor,
        turn: tuple[torch.Tensor, torch.Tensor],
        masks: Sequence[torch.Tensor | None],
        cache: RowCache,
        at: int,
    ) -> torch.Tensor:
        rows, tokens, _ = x.shape
        qkv = self._qkv(self._before(x)).view(rows, tokens, -1, self._dim)
        _rotate(qkv[:, :, : -self._groups], *turn)
        seen = self._read(qkv, masks, cache, at) if cache.spans else self._decode(qkv, masks[0], cache, at)
        x = self._out(seen.transpose(1, 2).reshape(rows, tokens, -1)).add_(x)
        gate, up = self._gate_up(self._between(x)).chunk(2, -1)
        return self._down(functional.silu(gate).mul_(up)).add_(x)

    def _decode(self, qkv: torch.Tensor, mask: torch.Tensor | None, cache: RowCache, at: int) -> torch.Tensor:
        """One token of each row, [rows, 1, heads, dim]; gives [rows, heads, 1, dim]."""
        states = qkv[:, 0]
        return self._attend(states[:, : self._heads, None], *cache.append(states[:, self._heads :], at), mask)

    def _read(
        self, qkv: torch.Tensor, masks: Sequence[torch.Tensor | None], cache: RowCache, at: int
    ) -> torch.Tensor:  # fmt: skip
        """Pieces of several prompts, which lie one after the other in the only row; gives [1, heads, tokens, dim]."""
        queries, keys, values = qkv.transpose(1, 2).split((self._heads, self._groups, self._groups), 1)
        seen, start = [], 0
        for span, mask in zip(cache.spans, masks, strict=True):
            some = slice(start, start + span.length)
            known = cache.write(span, keys[:, :, some], values[:, :, some], at)
            seen.append(self._attend(queries[:, :, some], *known, mask))
            start += span.length
        return torch.cat([*seen, queries[:, :, start:]], 2) if len(seen) > 1 or start < queries.shape[2] else seen[0]

    def _attend(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
    ) -> torch.Tensor:
        return functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, is_causal=mask is None and queries.shape[2] > 1,
            scale=self._scale, enable_gqa=self._heads != self._groups,
        )  # fmt: skip


class _Product:
    """Linear layers with the same input as one product. Each of them may be adapted at any time."""

    def __init__(self, owner: Any, names: Sequence[str], pack: Packer) -> None:
        parts = [getattr(owner, name) for name in names]
        self._modules, self._names = owner._modules, names  # to ask the owner itself takes longer
        self._ends = list(accumulate(p.out_features for p in parts))
        self.weight = _joined_weight(parts) if len(parts) > 1 else parts[0].weight
        self.packed = pack(self.weight)
        biases = [p.bias for p in parts]
        self.bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.linear(x, self.weight, self.bias) if self.packed is None else product(x, self.packed, self.bias)
        start = 0
        for name, end in zip(self._names, self._ends, strict=True):
            part = self._modules[name]
            if isinstance(part, AdaptedLinear):
                part.adapt(x, y[..., start:end])
            start = end
        return y


class _Norm:
    """An RMS norm. In fp32 on the CPU, where torch has no kernel of its own, in four operations instead of six."""

    def __init__(self, norm: Any) -> None:
        weight, self._eps = norm.weight, norm.variance_epsilon
        width = weight.numel()
        self._weight = weight
        self._parts: tuple[torch.Tensor, torch.Tensor] | None = None
        if weight.dtype == torch.float32 and weight.device.type == "cpu":
            self._parts = torch.tensor((width * self._eps) ** 0.5), weight.detach() * width**0.5

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if self._parts is None:
            return functional.rms_norm(x, self._weight.shape, self._weight, self._eps)
        floor, weight = self._parts  # x / sqrt(mean + eps) = sqrt(width) x / sqrt(|x|² + width eps)
        y: torch.Tensor = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).hypot_(floor)
        return y.mul_(weight)


class _Turns:
    """Cosines and sines of rotary positions, looked up; they are computed when a longer text needs them."""

    def __init__(self, rotary: Any) -> None:
        self._rotary = rotary
        self._table: torch.Tensor | None = None

    def __call__(self, x: torch.Tensor, positions: torch.Tensor, most: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Both [rows, tokens, 1, dim], for `_rotate`. `positions` [rows, tokens], all below `most`."""
        if self._table is None or len(self._table) < most:
            cos, sin = self._rotary(x, torch.arange(most, device=x.device)[None])
            half = sin.shape[-1] // 2
            self._table = torch.cat((cos, -sin[..., :half], sin[..., half:]), -1)[0]
        cos, sin = self._table[positions][:, :, None].chunk(2, -1)
        return cos, sin


def _fits(model: Any) -> bool:
    """Whether this file computes what the model does: plain layers, full attention, positions that stay."""
    config = model.config
    if type(model).__name__ not in SHAPES or config._attn_implementation not in ("sdpa", ATTENTION):
        return False
    linears = [m for layer in model.model.layers for m in layer.modules() if hasattr(m, "out_features")]
    return (
        config.hidden_act == "silu"
        and model.model.rotary_emb.rope_type not in ("dynamic", "longrope")  # these look at the whole batch's longest
        and all(type(m) is torch.nn.Linear for m in linears)
    )


def _ends(cache: RowCache) -> list[int]:
    """Where each piece ends; the last one again until there are as many as a step has rows."""
    ends = [end - 1 for end in accumulate(span.length for span in cache.spans)]
    return ends + ends[-1:] * (FEWEST_ROWS - len(ends))


def _joined_weight(parts: Sequence[torch.nn.Linear]) -> torch.Tensor:
    """The weights one below the other, in the memory order they have; the parts' own become views of it."""
    by_rows = parts[0].weight.is_contiguous()
    whole = torch.cat([p.weight.detach() for p in parts])
    if not by_rows:
        whole = whole.t().contiguous().t()
    start = 0
    for part in parts:
        part.weight.data = whole[start : start + part.out_features]
        start += part.out_features
    return whole


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> None:
    """Turn [rows, tokens, heads, dim] to their rotary positions; the first half of `sin` has its sign changed."""
    torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin, out=x)

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
        self._embed, self._rotary, self._norm = body.embed_tokens, body.rotary_emb, body.norm
        self._head = _Joined(model, ("lm_head",), pack)
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
        cos, sin = self._rotary(x, positions)
        half = sin.shape[-1] // 2
        turn = (cos[:, :, None], torch.cat((-sin[..., :half], sin[..., half:]), -1)[:, :, None])
        masks = [reading_mask(span, x) for span in cache.spans] or [mask]
        for index, layer in enumerate(self._layers):
            x = layer(x, turn, masks, cache, index)
        if every:
            return self._head(_normed(self._norm, x))[0, :tokens]
        last = x[:, _ends(cache) if cache.spans else [-1]]
        return self._head(_normed(self._norm, last)).flatten(0, 1)[: len(cache.spans) or None]


class _Layer:
    """One layer, its parts taken from the transformers module."""

    def __init__(self, layer: Any, pack: Packer) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self._before, self._between = layer.input_layernorm, layer.post_attention_layernorm
        self._dim, self._scale = attention.head_dim, attention.scaling
        self._qkv = _Joined(attention, ("q_proj", "k_proj", "v_proj"), pack)
        self._gate_up = _Joined(mlp, ("gate_proj", "up_proj"), pack)
        self._attention, self._mlp = attention, mlp
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
        qkv = self._qkv(_normed(self._before, x)).view(rows, tokens, -1, self._dim)
        turned = _rotate(qkv[:, :, : -self._groups], *turn).transpose(1, 2)
        queries, keys, values = turned[:, : self._heads], turned[:, self._heads :], qkv[:, :, -self._groups :]
        attend = self._read if cache.spans else self._decode
        seen = attend(queries, keys, values.transpose(1, 2), masks, cache, at)
        x = x + self._attention.o_proj(seen.transpose(1, 2).reshape(rows, tokens, -1))
        gate, up = self._gate_up(_normed(self._between, x)).chunk(2, -1)
        out: torch.Tensor = x + self._mlp.down_proj(functional.silu(gate) * up)
        return out

    def _decode(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
        masks: Sequence[torch.Tensor | None], cache: RowCache, at: int,
    ) -> torch.Tensor:  # fmt: skip
        """One token of each row. All here are [rows, heads, tokens, dim]."""
        return self._attend(queries, *cache.update(keys, values, at), masks[0])

    def _read(
        self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
        masks: Sequence[torch.Tensor | None], cache: RowCache, at: int,
    ) -> torch.Tensor:  # fmt: skip
        """Pieces of several prompts, which lie one after the other in the only row."""
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


class _Joined:
    """Linear layers with the same input as one product. Each of them may be adapted at any time."""

    def __init__(self, owner: Any, names: Sequence[str], pack: Packer) -> None:
        self._owner, self._names = owner, names
        parts = [getattr(owner, name) for name in names]
        self._ends = list(accumulate(p.out_features for p in parts))
        self.weight = _joined_weight(parts) if len(parts) > 1 else parts[0].weight
        self.packed = pack(self.weight)
        biases = [p.bias for p in parts]
        self.bias = None if biases[0] is None else torch.cat([b.detach() for b in biases])

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.linear(x, self.weight, self.bias) if self.packed is None else product(x, self.packed, self.bias)
        start = 0
        for name, end in zip(self._names, self._ends, strict=True):
            part = getattr(self._owner, name)
            if isinstance(part, AdaptedLinear):
                part.adapt(x, y[..., start:end])
            start = end
        return y


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


def _normed(norm: Any, x: torch.Tensor) -> torch.Tensor:
    if x.dtype == torch.float32 and x.device.type == "cpu":  # torch has no kernel of its own there: fewer pieces
        y: torch.Tensor = x * torch.rsqrt((x * x).mean(-1, keepdim=True) + norm.variance_epsilon) * norm.weight
        return y
    return functional.rms_norm(x, (x.shape[-1],), norm.weight, norm.variance_epsilon)


def _rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotary positions over [rows, tokens, heads, dim]; the first half of `sin` has its sign changed."""
    return torch.addcmul(x * cos, x.roll(x.shape[-1] // 2, -1), sin)

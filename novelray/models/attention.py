"""Sparse attention for any family that uses transformers' attention interface.

    rows without a cache    only the pattern's blocks are computed: gathered and given to SDPA on the CPU, FlexAttention
                            with a block mask on CUDA
    one text and its cache  SDPA over the cache, with the keys masked that the pattern does not allow

transformers builds no mask for an attention that has registered none: packed documents are told apart here, by their
`position_ids`. Not covered: padding masks, attention dropout, sparse decoding (a step reads the whole cache).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from novelray.errors import ModelError
from novelray.models.blocks import dense_mask, layout_of, lists_of, visible_blocks
from novelray.models.pattern import Pattern, allowed, pattern_of, random_table

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "novelray_sparse"
FLEX_TILE = 128
"""Least tokens in a tile of FlexAttention's kernels."""
SHORT = 1024
"""On CUDA, rows up to so many tokens are computed under a dense mask: as fast, and no kernel is compiled for them."""


def use_pattern(model: PreTrainedModel) -> None:
    """Make a model compute the attention that its configuration says.

    Raises ModelError for a model that cannot: layers or code of its own, or dropout in its attention.
    """
    config = model.config
    if pattern_of(config) is None:
        return
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    odd = f"{min(kinds)} layers" if kinds else "dropout in its attention" if config.attention_dropout else None
    if odd or not model._can_set_attn_implementation():
        raise ModelError(
            f"Sparse attention does not fit {type(model).__name__}: it has {odd or 'an attention of its own'}.",
            "Set model.attention.type to full, or leave model.attention out.",
        )
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, sparse_attention)
    model.set_attn_implementation(NAME)


def sparse_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    position_ids: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls it: [rows, heads, tokens, dim] each, keys and values with as many heads or fewer.

    `position_ids` [rows or 1, tokens] are the queries'. With a mask or a cache, key number i is at position i.
    """
    config: Any = module.config
    pattern = pattern_of(config)
    assert pattern is not None
    assert position_ids is not None, "this family's layers do not pass position_ids on"
    tokens = query.shape[2]
    if attention_mask is not None or key.shape[2] != tokens:
        mask = _remembered(_over_cache, position_ids, attention_mask, pattern, key.shape[2])
        out = _masked(query, key, value, mask, scaling)
    elif query.is_cuda and tokens <= SHORT:
        out = _masked(query, key, value, _remembered(_over_row, position_ids, None, pattern), scaling)
    else:
        compute = _flex if query.is_cuda else _blocked
        out = compute(query, key, value, position_ids, pattern, scaling)
    return out.transpose(1, 2).contiguous(), None


class _Plan(NamedTuple):
    """What all layers of one forward share."""

    cells: torch.Tensor
    places: torch.Tensor
    blocks: int
    keys: torch.Tensor  # CPU: [blocks × most] the key blocks of each block
    mask: Any  # CPU: what is added to the scores [blocks, 1, groups × block, most × block]; CUDA: a BlockMask


def _blocked(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    position_ids: torch.Tensor,
    pattern: Pattern,
    scaling: float | None,
) -> torch.Tensor:
    """Each block of queries against the key blocks that it sees, gathered."""
    rows, heads, _, dim = query.shape
    shared, wide = key.shape[1], value.shape[3]
    groups, block = heads // shared, pattern.block
    plan = _remembered(_blocked_plan, position_ids, None, pattern, rows, groups, query.dtype)
    # Query heads that share keys go one below the other: keys are neither repeated nor read twice.
    q = _laid(query, plan).view(plan.blocks, block, shared, groups, dim).permute(0, 2, 3, 1, 4)
    k, v = (_laid(x, plan).view(plan.blocks, -1).index_select(0, plan.keys) for x in (key, value))
    k, v = (x.view(plan.blocks, -1, shared, width).transpose(1, 2) for x, width in ((k, dim), (v, wide)))
    if wide < dim:  # latent attention; the fused kernel wants one width
        v = pad(v, (0, dim - wide))
    q = q.reshape(plan.blocks, shared, groups * block, dim)
    out = scaled_dot_product_attention(q, k, v, attn_mask=plan.mask, scale=scaling)[..., :wide]
    out = out.view(plan.blocks, shared, groups, block, wide).permute(0, 3, 1, 2, 4)
    return _back(out.reshape(-1, heads, wide), plan, rows)


def _blocked_plan(
    position_ids: torch.Tensor, _: None, pattern: Pattern, rows: int, groups: int, dtype: torch.dtype
) -> _Plan:
    layout = layout_of(position_ids.expand(rows, -1), pattern, pattern.block)
    keys, counts = lists_of(visible_blocks(layout, pattern))
    positions = layout.positions.view(layout.blocks, pattern.block)
    theirs = positions[keys]  # [blocks, most, block]
    seen = allowed(positions[:, :, None, None], theirs[:, None], pattern, layout.table)
    seen &= (torch.arange(keys.shape[1], device=keys.device) < counts[:, None])[:, None, :, None]
    bias = torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen, float("-inf"))
    bias = bias.flatten(2)[:, None].repeat(1, 1, groups, 1)
    return _Plan(layout.cells, layout.places, layout.blocks, keys.reshape(-1), bias)


def _flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    position_ids: torch.Tensor,
    pattern: Pattern,
    scaling: float | None,
) -> torch.Tensor:
    """All rows as one long one, under a block mask that lists the tiles to compute."""
    plan = _remembered(_flex_plan, position_ids, None, pattern, query.shape[0])
    q, k, v = (_laid(x, plan).transpose(0, 1)[None] for x in (query, key, value))
    shared = query.shape[1] != key.shape[1]
    out = _flex_kernel()(q, k, v, block_mask=plan.mask, scale=scaling, enable_gqa=shared)
    return _back(out[0].transpose(0, 1), plan, query.shape[0])


def _flex_plan(position_ids: torch.Tensor, _: None, pattern: Pattern, rows: int) -> _Plan:
    from torch.nn.attention.flex_attention import BlockMask

    tile = max(pattern.block, FLEX_TILE)
    layout = layout_of(position_ids.expand(rows, -1), pattern, tile)
    positions, documents, table = layout.positions, layout.documents, layout.table

    def seen(batch: Any, head: Any, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return allowed(positions[query], positions[key], pattern, table) & (documents[query] == documents[key])

    per = tile // pattern.block
    visible = visible_blocks(layout, pattern).view(layout.blocks, per, layout.blocks, per)
    some, whole = visible.any(3).any(1), visible.all(3).all(1)
    whole &= ~torch.eye(layout.blocks, dtype=torch.bool, device=whole.device)  # within a block later keys are hidden
    partial, full, size = _tiles(some & ~whole), _tiles(whole), len(layout.cells)
    mask = BlockMask.from_kv_blocks(
        partial[0], partial[1], full[0], full[1], BLOCK_SIZE=tile, mask_mod=seen, seq_lengths=(size, size)
    )
    return _Plan(layout.cells, layout.places, layout.blocks, layout.cells, mask)


def _tiles(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A boolean matrix of tiles as FlexAttention wants it: how many in each row, and which, those first."""
    counts = matrix.sum(1, dtype=torch.int32)
    order = matrix.byte().argsort(dim=1, descending=True, stable=True).int()
    return counts[None, None], order[None, None]


@lru_cache(maxsize=1)
def _flex_kernel() -> Callable[..., torch.Tensor]:
    from torch.nn.attention.flex_attention import flex_attention

    compiled: Callable[..., torch.Tensor] = torch.compile(flex_attention)
    return compiled


def _laid(states: torch.Tensor, plan: _Plan) -> torch.Tensor:
    """[rows, heads, tokens, dim] → [cells, heads, dim]."""
    return states.transpose(1, 2).flatten(0, 1).index_select(0, plan.cells)


def _back(states: torch.Tensor, plan: _Plan, rows: int) -> torch.Tensor:
    """[cells, heads, dim] → [rows, heads, tokens, dim]."""
    found: torch.Tensor = states.index_select(0, plan.places)
    return found.view(rows, -1, *found.shape[1:]).transpose(1, 2)


def _masked(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor, scaling: float | None
) -> torch.Tensor:
    """SDPA under a mask, one query per product: the bits of a row then do not depend on its neighbours."""
    shared = query.shape[1] != key.shape[1]
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling, enable_gqa=shared)


def _over_row(position_ids: torch.Tensor, _: None, pattern: Pattern) -> torch.Tensor:
    return dense_mask(position_ids, pattern)


def _over_cache(position_ids: torch.Tensor, given: torch.Tensor | None, pattern: Pattern, keys: int) -> torch.Tensor:
    """The caller's mask (boolean or added to the scores; None: causal), less what the pattern does not allow."""
    device = position_ids.device
    table = random_table(pattern, keys, device)
    seen = allowed(position_ids[:, :, None], torch.arange(keys, device=device), pattern, table)[:, None]
    if given is None:
        return seen
    return given & seen if given.dtype == torch.bool else given.masked_fill(~seen, float("-inf"))


_memory = threading.local()


def _remembered(make: Callable[..., Any], position_ids: torch.Tensor, given: torch.Tensor | None, *rest: Any) -> Any:
    """`make(position_ids, given, *rest)`, or what it made last when it was asked for the same: once for all layers.

    The tensors are the same objects, unchanged since. They are kept, so that no other takes their place.
    """
    versions = [None if t is None or t.is_inference() else t._version for t in (position_ids, given)]
    key = (make, versions, rest)
    last = getattr(_memory, "last", None)
    if last is None or last[0] != key or last[1] is not position_ids or last[2] is not given:
        _memory.last = last = (key, position_ids, given, make(position_ids, given, *rest))
    return last[3]

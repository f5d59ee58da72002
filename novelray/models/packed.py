"""Attention over packed rows without a mask: each document by itself, the lengths told to the kernel.

transformers tells packed documents apart by a mask of tokens × tokens, and with a mask SDPA has no flash kernel: it
reads the mask and computes what the mask then hides. Here rows are laid end to end, and the kernel is told where
documents begin.

    CUDA, bf16    PyTorch's own variable-length flash attention (torch.nn.attention.varlen): no package, no compiling
    else          SDPA, one document at a time

For rows without a cache: training, and its validation. What it cannot compute (`use_packed`) keeps SDPA and the mask.
Not run on a GPU yet.
"""

from __future__ import annotations

import logging
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import pad, scaled_dot_product_attention

from novelray.models.blocks import document_starts

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

NAME = "novelray_packed"
WIDEST = 256
"""Largest head that the flash kernel has, in numbers."""
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "deepseek_v2", "deepseek_v3")
"""Model types whose attention is a plain causal softmax, and whose layers hand on where documents begin."""


def use_packed(model: PreTrainedModel) -> bool:
    """Let a model compute packed rows document by document. Returns False, with nothing changed, where it cannot:
    another family, another attention set already (sparse, a prefix), windows, dropout, wide heads."""
    config: Any = model.config
    kinds = set(getattr(config, "layer_types", None) or ()) - {"full_attention"}
    windowed = bool(kinds) or (config.model_type == "mistral" and config.sliding_window is not None)
    if (
        config.model_type not in FAMILIES
        or config._attn_implementation != "sdpa"
        or windowed
        or config.attention_dropout
        or _head_width(config) > WIDEST
    ):
        return False
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, packed_attention)
    model.set_attn_implementation(NAME)
    return True


@cache
def flash_works(device: str) -> bool:
    """Whether the kernel computes on this device, forward and backward: not every GPU and build of PyTorch has it."""
    query, key = (torch.ones(2, heads, 64, device=device, dtype=torch.bfloat16, requires_grad=True) for heads in (2, 1))
    bounds = torch.tensor([0, 2], dtype=torch.int32, device=device)
    try:
        _flash(query, key, key, bounds, 2, None).sum().backward()
    except (AttributeError, ImportError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        log.warning("Packed rows are computed with a mask, which is slower: no variable-length attention (%s).", error)
        return False
    return True


def is_packed(model: torch.nn.Module) -> bool:
    """Whether a model wants to be told where documents begin."""
    return getattr(getattr(model, "config", None), "_attn_implementation", None) == NAME


def bounds_of(position_ids: torch.Tensor) -> torch.Tensor:
    """Where documents begin in rows [rows, tokens] laid end to end, and last their end: int32 [documents + 1]."""
    starts = document_starts(position_ids).flatten().nonzero()[:, 0]
    return torch.cat((starts, starts.new_tensor([position_ids.numel()]))).int()


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls it: [rows, heads, tokens, dim] each, keys and values with as many heads or fewer.

    `cu_seq_lens_q`: what `bounds_of` gives, under transformers' name for it. Returns [rows, tokens, heads, dim].
    """
    assert attention_mask is None, "packed rows have no mask"
    assert cu_seq_lens_q is not None, "packed rows have to say where documents begin"
    rows, tokens, dim = query.shape[0], *query.shape[2:]
    wide = value.shape[3]
    if wide < dim:  # latent attention; the kernel wants one width
        value = pad(value, (0, dim - wide))
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    # No document is longer than a row: a bound that is the same for every batch, and needs no look at the device.
    out = _flash(q, k, v, cu_seq_lens_q, tokens, scaling) if q.is_cuda else _each(q, k, v, cu_seq_lens_q, scaling)
    return out.view(rows, tokens, *out.shape[1:])[..., :wide], None


def _flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, longest: int, scale: float | None
) -> torch.Tensor:
    """[tokens, heads, dim] each."""
    from torch.nn.attention.varlen import varlen_attn

    shared = query.shape[1] != key.shape[1]
    found = varlen_attn(
        query, key, value, bounds, bounds, longest, longest, scale=scale, window_size=(-1, 0), enable_gqa=shared
    )
    assert isinstance(found, torch.Tensor)  # a pair only for those who ask for more
    return found


def _each(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float | None
) -> torch.Tensor:
    """[tokens, heads, dim] each."""
    shared = query.shape[1] != key.shape[1]
    pieces = []
    for start, end in pairwise(bounds.tolist()):
        q, k, v = (x[start:end].transpose(0, 1) for x in (query, key, value))
        out = scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=shared)
        pieces.append(out.transpose(0, 1))
    return torch.cat(pieces)


def _head_width(config: Any) -> int:
    latent = getattr(config, "qk_head_dim", None) if hasattr(config, "kv_lora_rank") else None
    return int(latent or getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)

"""Making a row's numbers independent of its neighbours, where the kernels allow it.

A matrix product may add up in another order for another number of rows, and then a text could depend, in a rare tie,
on who else is in the batch. What was measured on torch 2.13 (x86, MKL):

- fp32 `linear` over weights stored row by row rounds in three or four ways between 1 and 16 rows. Over the same weights
  stored column by column it has two ways: with AVX-512 one for one row and one for more, with AVX2 one for up to three
  rows and one for more. It is also faster from 2 to 32 rows.
- SDPA with a mask gives a row the same bits whatever the batch, and whatever the padded length as long as that is a
  multiple of 64, if each head has its own query; with grouped queries packed into one product it does not.

So on the CPU in fp32 weights are laid out by columns, a batch has four rows at least, and decoding uses SDPA's own
grouping: bit-identical, tested. Elsewhere (bf16, CUDA) a batch is always padded to `max_batch` rows, so that each step
runs kernels of the same shape; that is cheap there, because decoding is bound by reading the weights. There a result
may still differ in its last bits when neighbours are longer, since the attended length differs.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "novelray_sdpa"
FEWEST_ROWS = 4  # of a decoding step: from here on every number of rows adds up in the same order


def make_steady(model: Any) -> None:
    """Prepare a model that this engine owns. Values do not change; on the CPU in fp32 their layout does."""
    if not is_exact(model):
        return
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            by_columns(module)
    if model.config._attn_implementation == "sdpa":
        AttentionInterface.register(ATTENTION, _attention)
        AttentionMaskInterface.register(ATTENTION, sdpa_mask)
        model.set_attn_implementation(ATTENTION)


def is_exact(model: Any) -> bool:
    """Whether rows can be made bit-identical here: fp32 on the CPU."""
    weight = next(model.parameters())
    return bool(weight.device.type == "cpu" and weight.dtype == torch.float32)


def by_columns(linear: torch.nn.Linear) -> None:
    """Store the weight transposed; its shape and values stay."""
    if linear.weight.is_contiguous():
        linear.weight.data = linear.weight.data.t().contiguous().t()


def padded_rows(rows: int, max_batch: int, exact: bool) -> int:
    """How many rows a decoding step of `rows` texts computes."""
    return max(FEWEST_ROWS, rows if exact else max_batch)


def _attention(
    module: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attention_mask: Any, **kwargs: Any
) -> tuple[torch.Tensor, None]:
    """SDPA; for single queries with one query per product instead of transformers' packing."""
    plain = kwargs.get("position_bias") is None and kwargs.get("softcap") is None
    if query.shape[2] != 1 or attention_mask is None or not plain:
        output: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return output
    out = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=attention_mask, scale=kwargs.get("scaling"),
        enable_gqa=query.shape[1] != key.shape[1],
    )  # fmt: skip
    return out.transpose(1, 2).contiguous(), None

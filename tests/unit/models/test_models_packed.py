"""Packed rows computed document by document equal the same rows under a dense mask."""

import warnings

import pytest
import torch
from support.families import FAMILIES, tiny_folder
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from novelray.models import packed
from novelray.models.blocks import document_starts
from novelray.models.load import from_folder

DOCUMENTS = (37, 1, 60, 30)
TOKENS = sum(DOCUMENTS)
PACKED = torch.cat([torch.cat([torch.arange(n) for n in DOCUMENTS])[None], torch.arange(TOKENS)[None]])
SHAPES = {"every head its own keys": (4, 4, 8, 8), "grouped queries": (6, 2, 8, 8), "latent attention": (4, 4, 24, 16)}


def states(heads, shared, dim, wide, **kind):
    torch.manual_seed(0)
    shapes = ((heads, dim), (shared, dim), (shared, wide))
    return [torch.randn(2, h, TOKENS, d, requires_grad=True, **kind) for h, d in shapes]


def outcome(run, inputs):
    """The output and the gradients of a loss that weighs every number differently."""
    out = run(*inputs)
    weights = torch.linspace(-1, 1, out.numel()).view(out.shape)
    return [out, *torch.autograd.grad((out * weights).sum(), inputs)]


def ours(query, key, value):
    bounds = packed.bounds_of(PACKED)
    return packed.packed_attention(None, query, key, value, None, cu_seq_lens_q=bounds)[0]


def dense(query, key, value):
    document = document_starts(PACKED).cumsum(1)
    mask = (document[:, :, None] == document[:, None]).tril()[:, None]
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, enable_gqa=True).transpose(1, 2)


def test_documents_begin_where_positions_restart_and_with_every_row():
    assert packed.bounds_of(PACKED).tolist() == [0, 37, 38, 98, TOKENS, 2 * TOKENS]


@pytest.mark.parametrize("shape", SHAPES)
def test_packed_attention_and_its_gradients_equal_dense_attention_under_the_mask(shape):
    inputs = states(*SHAPES[shape])
    for mine, theirs in zip(outcome(ours, inputs), outcome(dense, inputs), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_flash_kernel_takes_our_call_and_needs_no_mask_and_no_number_from_the_device(shape, monkeypatch):
    """Without a GPU: tensors without numbers, and PyTorch's own account of the operator and its gradient."""
    called = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr(packed, "_each", lambda q, k, v, bounds, scale: packed._flash(q, k, v, bounds, TOKENS, scale))
    with FakeTensorMode(), Watch():
        bounds = torch.zeros(6, dtype=torch.int32)
        inputs = states(*SHAPES[shape], dtype=torch.bfloat16)
        out = packed.packed_attention(None, *inputs, None, cu_seq_lens_q=bounds)[0]
        out.sum().backward()
    assert out.shape == (2, TOKENS, SHAPES[shape][0], SHAPES[shape][3])
    assert [x.grad.shape for x in inputs] == [x.shape for x in inputs]
    assert any("torch_attn._varlen_attn.default" in name for name in called)
    assert not any(word in name for name in called for word in ("scaled_dot_product", "local_scalar", "nonzero"))


@pytest.mark.parametrize("kind", [*FAMILIES, "qwen3", "mistral"])
def test_a_model_with_packed_attention_says_what_it_says_under_transformers_own_mask(kind, tmp_path):
    changes = {"sliding_window": None} if kind == "mistral" else {}
    model = from_folder(tiny_folder(kind, tmp_path, **changes), torch.float32)
    ids = torch.randint(3, 400, PACKED.shape, generator=torch.Generator().manual_seed(1))
    expected = model(input_ids=ids, position_ids=PACKED, use_cache=False).logits
    assert packed.use_packed(model)
    assert packed.is_packed(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    found = model(input_ids=ids, position_ids=PACKED, use_cache=False, cu_seq_lens_q=packed.bounds_of(PACKED)).logits
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    found.sum().backward()  # recomputed from the same bounds


@pytest.mark.parametrize("change", [{"attention_dropout": 0.1}, {"use_sliding_window": True, "max_window_layers": 0}])
def test_a_model_that_it_does_not_fit_keeps_its_attention(change, tmp_path):
    model = from_folder(tiny_folder("qwen2", tmp_path, **change), torch.float32)
    assert not packed.use_packed(model)
    assert model.config._attn_implementation == "sdpa"


def test_a_device_without_the_kernel_keeps_the_mask_and_says_so(caplog):
    assert not packed.flash_works("cpu")
    assert "computed with a mask" in caplog.text

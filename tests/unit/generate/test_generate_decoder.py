"""The hand-written forward computes what transformers computes, shares its weights, and knows what it is not for."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from support.tiny_models import make_model, make_tokenizer

from novelray.generate.cache import RowCache, Span
from novelray.generate.decoder import Decoder
from novelray.generate.forward import General, fastest
from novelray.generate.steady import make_steady

TOKENIZER = make_tokenizer()
SHAPES = {
    "llama": {},
    "qwen2": {},
    "biased": {"attention_bias": True, "mlp_bias": True},
    "untied, one key head, wide heads": {"num_key_value_heads": 1, "head_dim": 32, "tie_word_embeddings": False},
    "yarn": {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0,
                                 "original_max_position_embeddings": 64}},
}  # fmt: skip


def built(shape, dtype=torch.float32):
    model = make_model(TOKENIZER, "qwen2" if shape == "qwen2" else "llama", **SHAPES[shape]).to(dtype)
    for name, weight in model.named_parameters():
        if name.endswith("bias") or "norm" in name:
            torch.nn.init.normal_(weight, 1.0, 0.3)
    make_steady(model)
    return model


@torch.inference_mode()
def logits(forward, dtype=torch.float32):
    """After a prompt in two pieces, and after one more token in each of two rows of different length."""
    cache = RowCache(2, 4, 256)
    ids = torch.randint(2, 300, (1, 90), generator=torch.Generator().manual_seed(0))
    found = []
    for row, cuts in ((0, (0, 60, 90)), (1, (0, 40))):
        for start, end in pairwise(cuts):
            cache.prefill(Span(row, start, end - start))
            found.append(forward(ids[:, start:end], torch.arange(start, end)[None], None, cache))
    lengths = torch.tensor([90, 40])
    attended = cache.decode(lengths, 90)
    hidden = torch.arange(attended) > lengths[:, None]
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill(hidden, float("-inf"))[:, None, None]
    found.append(forward(torch.tensor([[7], [9]]), lengths[:, None], mask, cache))
    return torch.cat(found)


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_transformers(shape):
    model = built(shape)
    expected = logits(General(model))
    torch.testing.assert_close(logits(Decoder.of(model)), expected, atol=2e-5, rtol=2e-5)


def test_logits_in_half_precision_are_as_near_the_true_ones_as_those_of_transformers():
    true = logits(General(built("llama")))
    model = built("llama", torch.bfloat16)
    own = (logits(General(model), torch.bfloat16).float() - true).abs().mean()
    assert (logits(Decoder.of(model), torch.bfloat16).float() - true).abs().mean() < 1.2 * own


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_model_shares_its_weights_with_the_decoder_and_goes_on_computing_the_same(dtype):
    model = built("qwen2", dtype)
    before, names = logits(General(model), dtype), dict(model.named_parameters())
    values = {name: weight.clone() for name, weight in names.items()}
    decoder = Decoder.of(model)
    held = {w.untyped_storage().data_ptr(): w.untyped_storage().nbytes() for w in model.parameters()}
    assert sum(held.values()) == sum(w.nbytes for w in model.parameters())
    for layer in decoder._layers:
        assert {j.weight.untyped_storage().data_ptr() for j in (layer._qkv, layer._gate_up)} <= held.keys()
    assert all(torch.equal(weight, values[name]) for name, weight in names.items())
    torch.testing.assert_close(logits(General(model), dtype), before)


def test_models_of_another_shape_take_the_general_path():
    odd = [
        make_model(TOKENIZER, "deepseek"),
        make_model(TOKENIZER, hidden_act="gelu"),
        make_model(TOKENIZER, rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
        make_model(TOKENIZER, attn_implementation="eager"),
    ]
    assert [Decoder.of(model) for model in odd] == [None] * 4
    assert isinstance(fastest(odd[0]), General)
    assert isinstance(fastest(make_model(TOKENIZER)), Decoder)

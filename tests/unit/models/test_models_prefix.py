"""Prefix tuning: what PEFT computes for one text holds for each document of a packed row, and for the engine."""

from __future__ import annotations

import json

import pytest
import torch
from support.families import tiny_folder

from novelray.errors import ModelError
from novelray.generate.offline import complete
from novelray.generate.protocol import Sampling
from novelray.models.load import from_folder
from novelray.models.prefix import add_prefix, export_prefix, load_prefix
from novelray.recipe.train import PrefixSection
from novelray.train.objective import NextTokenLoss

IDS = torch.randint(2, 90, (1, 12), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module", params=[None, 8], ids=["plain", "projected"])
def made(request, tmp_path_factory):
    """(folder of the base, folder of a prefix with random numbers)"""
    folder = tmp_path_factory.mktemp("prefix")
    base = tiny_folder("qwen2", folder / "base")
    section = PrefixSection(tokens=5, projection=request.param)
    model = add_prefix(from_folder(base, torch.float32), section, IDS[0])
    torch.manual_seed(3)
    weights = {name: torch.randn_like(p) for name, p in model.named_parameters() if p.requires_grad}
    export_prefix(weights, section, model, folder / "prefix")
    return base, folder / "prefix"


def prefixed(made):
    base, folder = made
    return load_prefix(from_folder(base, torch.float32), folder).eval()


@torch.no_grad()
def test_peft_loads_it_and_computes_the_same(made):
    from peft import PeftModel

    base, folder = made
    peft = PeftModel.from_pretrained(from_folder(base, torch.float32), str(folder)).eval()
    ours, theirs = prefixed(made)(input_ids=IDS).logits, peft(input_ids=IDS).logits
    plain = from_folder(base, torch.float32)(input_ids=IDS).logits
    assert torch.allclose(ours, theirs, atol=1e-4)
    assert not torch.allclose(ours, plain, atol=1e-2), "the prefix does something"


@torch.no_grad()
def test_documents_of_a_packed_row_see_the_prefix_and_not_each_other(made):
    model = prefixed(made)
    positions = torch.cat([torch.arange(5), torch.arange(7)])[None]
    packed = model(input_ids=IDS, position_ids=positions, use_cache=False).logits
    for piece in (slice(0, 5), slice(5, 12)):
        assert torch.allclose(packed[:, piece], model(input_ids=IDS[:, piece]).logits, atol=1e-4)


@torch.no_grad()
def test_a_fresh_prefix_is_the_opening_of_a_text_before_every_text(made):
    base, _ = made
    plain = from_folder(base, torch.float32).eval()
    fresh = add_prefix(from_folder(base, torch.float32), PrefixSection(tokens=5), IDS[0]).eval()
    expected = plain(input_ids=IDS).logits[:, 5:]
    assert torch.allclose(fresh(input_ids=IDS[:, 5:]).logits, expected, atol=1e-4)


def test_gradients_are_those_without_recomputed_activations(made):
    base, _ = made
    found = []
    for recompute in (False, True):
        model = add_prefix(from_folder(base, torch.float32), PrefixSection(tokens=4), IDS[0]).train()
        if recompute:
            model.gradient_checkpointing_enable({"use_reentrant": False})
        NextTokenLoss(model)(IDS, torch.arange(12)[None], torch.ones(1, 12, dtype=torch.bool)).backward()
        assert [n for n, p in model.named_parameters() if p.grad is not None] == ["prompt_encoder.embedding.weight"]
        found.append(model.prompt_encoder.embedding.weight.grad)
    assert float(found[0].abs().max()) > 0
    assert torch.allclose(*found, atol=1e-6)


def test_the_engine_writes_what_a_forward_over_the_whole_text_says(made, tmp_path):
    from support.tiny import tiny_llama

    from novelray.shards.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(tiny_llama(tmp_path / "tokenizer"))
    model = prefixed(made)
    prompts = ["山雨欲来风满楼", "The rain fell on the river town, and she"]
    texts = complete(model, tokenizer, prompts, Sampling(max_tokens=6, temperature=0.0, ignore_eos=True))
    for prompt, text in zip(prompts, texts, strict=True):
        ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        for _ in range(6):
            with torch.no_grad():
                ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], dim=1)
        written = tokenizer.decode(ids[0], skip_special_tokens=True).removeprefix(prompt)
        assert written.replace("\ufffd", "") == text.replace("\ufffd", ""), "but for bytes that are no character"


def test_the_longest_text_is_shorter_by_the_prefix(made):
    base, _ = made
    limit = from_folder(base, torch.float32).config.max_position_embeddings
    assert prefixed(made).config.max_position_embeddings == limit - 5


def test_a_model_that_cannot_have_a_prefix_is_refused_with_the_reason(made, tmp_path):
    with pytest.raises(ModelError, match="latent attention"):
        add_prefix(from_folder(tiny_folder("deepseek_v2", tmp_path), torch.float32), PrefixSection(), IDS[0])
    with pytest.raises(ModelError, match="a prefix already"):
        add_prefix(prefixed(made), PrefixSection(), IDS[0])
    other = from_folder(tiny_folder("llama", tmp_path / "other", num_hidden_layers=3), torch.float32)
    with pytest.raises(ModelError, match="this base takes"):
        load_prefix(other, made[1])


def test_what_is_stored_says_what_it_is(made):
    config = json.loads((made[1] / "adapter_config.json").read_text())
    assert (config["peft_type"], config["num_virtual_tokens"], config["prefix_projection"]) == (
        "PREFIX_TUNING",
        5,
        False,
    )

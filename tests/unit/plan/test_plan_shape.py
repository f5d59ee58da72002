"""Counting weights without loading them."""

from __future__ import annotations

import pytest

from novelray.errors import ModelError
from novelray.plan import lora_parameters, parameters, shape_of, shape_of_scratch

LLAMA = {
    "model_type": "llama", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 160, "tie_word_embeddings": False,
}  # fmt: skip


def count(config: dict) -> int:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    kind = config["model_type"]
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.for_model(**{**config, "model_type": kind}))
    return sum(p.numel() for p in {id(p): p for p in model.parameters()}.values())


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tie_word_embeddings": True},
        {"head_dim": 32},
        {"num_key_value_heads": 4, "attention_bias": True, "mlp_bias": True},
        {"model_type": "qwen2"},
        {"model_type": "mistral", "head_dim": 16},
    ],
)
def test_the_count_is_that_of_the_real_model(change):
    config = {**LLAMA, **change}
    assert parameters(shape_of(config)) == count(config)


def test_adapters_are_counted_as_peft_makes_them():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    for targets in ("all-linear", ("q_proj", "v_proj")):
        with torch.device("meta"):
            model = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"}))
            wrapped = get_peft_model(
                model, LoraConfig(r=8, target_modules=targets if targets == "all-linear" else list(targets))
            )
        real = sum(p.numel() for n, p in wrapped.named_parameters() if "lora_" in n)
        assert lora_parameters(shape_of(LLAMA), 8, targets) == real


def test_published_sizes_come_out_right():
    llama_7b = {
        "vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
        "intermediate_size": 11008,
    }  # fmt: skip
    assert parameters(shape_of(llama_7b)) == 6_738_415_616


def test_scratch_models_are_counted_from_their_name():
    from novelray.models.scratch import scratch_config

    config = scratch_config("nano", 512, 256, 0, 1).to_dict()
    assert shape_of_scratch("scratch:nano", 512) == shape_of(config)
    with pytest.raises(ModelError, match="giant"):
        shape_of_scratch("scratch:giant", 512)


def test_a_config_that_is_no_such_model_is_refused_by_name():
    with pytest.raises(ModelError, match="hidden_size"):
        shape_of({"vocab_size": 3})
    with pytest.raises(ModelError, match="mixture of experts"):
        shape_of({**LLAMA, "n_routed_experts": 64})

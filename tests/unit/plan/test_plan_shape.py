"""Counting weights without loading them."""

from __future__ import annotations

import pytest

from novelray.errors import ModelError
from novelray.plan import lora_parameters, parameters, shape_of, shape_of_scratch

LLAMA = {
    "model_type": "llama", "vocab_size": 1000, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 160, "tie_word_embeddings": False,
}  # fmt: skip

DEEPSEEK = {
    "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 12,
    "v_head_dim": 10, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "moe_intermediate_size": 20, "first_k_dense_replace": 1, "n_group": 1, "topk_group": 1,
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
        {"model_type": "qwen3", "head_dim": 32},
        {"model_type": "deepseek_v2", **DEEPSEEK},
        {"model_type": "deepseek_v2", **DEEPSEEK, "q_lora_rank": None, "first_k_dense_replace": 0},
        {"model_type": "deepseek_v3", **DEEPSEEK, "n_shared_experts": 2, "first_k_dense_replace": 2},
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


def test_published_sizes_of_mixtures_come_out_right():
    """DeepSeek-V2-Lite: 15.7 B weights (DeepSeek-AI, 2024, appendix B)."""
    lite = {
        "model_type": "deepseek_v2", "vocab_size": 102400, "hidden_size": 2048, "num_hidden_layers": 27,
        "num_attention_heads": 16, "intermediate_size": 10944, "q_lora_rank": None, "kv_lora_rank": 512,
        "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
    }  # fmt: skip
    assert parameters(shape_of(lite)) / 1e9 == pytest.approx(15.7, abs=0.05)


def test_scratch_models_are_counted_from_their_name():
    from novelray.models.scratch import scratch_config

    config = scratch_config("nano", 512, 256, 0, 1).to_dict()
    assert shape_of_scratch("scratch:nano", 512) == shape_of(config)
    with pytest.raises(ModelError, match="giant"):
        shape_of_scratch("scratch:giant", 512)


def test_a_config_that_is_no_such_model_is_refused_by_name():
    with pytest.raises(ModelError, match="hidden_size"):
        shape_of({"vocab_size": 3})
    for kind in ({}, {"model_type": "qwen3_moe"}):
        assert shape_of({**LLAMA, **kind}).experts is None
    with pytest.raises(ModelError, match="mixture of experts"):
        shape_of({**LLAMA, "n_routed_experts": 64})

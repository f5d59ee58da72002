"""What a token costs, by the rule that the journal's MFU stands for, on real models of a few thousand weights."""

import pytest
import torch
from torch import nn

from novelray.train.efficiency import Efficiency, flops_per_token, memory_peak, peak_flops


@pytest.fixture(scope="module")
def llama():
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def matrices(model):
    return sum(m.in_features * m.out_features for m in model.modules() if isinstance(m, nn.Linear))


def test_a_token_costs_6n_in_full_fine_tuning_and_the_embedding_table_is_no_matrix(llama):
    llama.requires_grad_(True)
    assert matrices(llama) == llama.num_parameters() - 300 * 32 - sum(
        p.numel() for p in llama.parameters() if p.dim() == 1
    )
    assert flops_per_token(llama) == 6 * matrices(llama)


def test_layers_below_the_lowest_trained_one_cost_2n(llama):
    llama.requires_grad_(True)
    for module in (llama.model.embed_tokens, *llama.model.layers[:3]):
        module.requires_grad_(False)
    frozen = matrices(llama.model.layers[:3])
    assert flops_per_token(llama) == 2 * frozen + 6 * (matrices(llama) - frozen)
    llama.requires_grad_(True)


def test_a_token_costs_about_4n_with_adapters_on_a_frozen_base(llama):
    import copy

    from peft import LoraConfig, get_peft_model

    base = copy.deepcopy(llama).requires_grad_(False)
    n = matrices(base)
    adapted = get_peft_model(base, LoraConfig(r=1, target_modules="all-linear"))
    adapters = sum(p.numel() for p in adapted.parameters() if p.requires_grad)
    first = base.model.layers[0].self_attn.q_proj.base_layer  # nothing below it is trained: no gradient passes
    assert flops_per_token(adapted) == 4 * n - 2 * first.in_features * first.out_features + 6 * adapters


def test_a_token_costs_4n_with_a_prefix(llama):
    import copy

    from peft import PrefixTuningConfig, get_peft_model

    base = copy.deepcopy(llama)
    n = matrices(base)
    prefixed = get_peft_model(base, PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4))
    assert flops_per_token(prefixed) == 4 * n


def test_of_experts_those_count_that_a_token_is_sent_to():
    from transformers import MixtralConfig, MixtralForCausalLM

    def cost(experts, chosen):
        config = MixtralConfig(
            vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, num_local_experts=experts, num_experts_per_tok=chosen,
        )  # fmt: skip
        return flops_per_token(MixtralForCausalLM(config))

    expert = 2 * 3 * 32 * 64  # of two layers: gate, up and down
    assert cost(8, 2) - cost(8, 1) == 6 * expert
    assert cost(8, 2) == pytest.approx(cost(4, 2), rel=0.05)  # but for the router, which knows each expert


@pytest.mark.parametrize(
    ("gpu", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12), ("NVIDIA H100 PCIe", 756e12), ("NVIDIA H200", 989e12),
        ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA L40S", 362e12), ("NVIDIA L4", 121e12),
        ("NVIDIA A10G", 70e12), ("NVIDIA GeForce RTX 4090", 165e12), ("Tesla V100-SXM2-32GB", 125e12),
        ("NVIDIA Something 9000", None), ("", None),
    ],
)  # fmt: skip
def test_a_gpus_peak_is_that_of_its_name(gpu, peak):
    assert peak_flops(gpu) == peak


def test_mfu_is_work_per_second_over_the_peak_of_all_workers():
    used = Efficiency(flops_per_token=6e9, workers=2, peak=1e12, device="cpu").figures(100)
    assert (used["flops_per_s"], used["mfu"]) == (600e9, 0.3)


def test_without_a_known_peak_there_is_no_mfu(llama):
    used = Efficiency.of(llama, 1, "cpu").figures(10)
    assert used.keys() == {"flops_per_s", "memory_peak"}


@pytest.mark.slow
def test_the_memory_peak_is_in_bytes_and_stays_when_memory_is_given_back():
    before = memory_peak("cpu")
    held = torch.ones(150_000_000)  # 600 MB
    peak = memory_peak("cpu")
    del held
    assert memory_peak("cpu") >= peak > 600e6
    assert peak >= before

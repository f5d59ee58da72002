"""The memory model, held against the published figures that its formulae come from, and against itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novelray.plan import (
    ModelShape,
    Strategy,
    estimate,
    lora_parameters,
    parameters,
    shape_of,
    trained_parameters,
)  # fmt: skip
from novelray.plan.shape import frozen_parameters, linear_parameters
from novelray.recipe.train import LoraSection, PrefixSection

SHAPE = ModelShape(
    vocab=32000, hidden=4096, layers=32, heads=32, key_value_heads=32, intermediate=11008, head_dim=128
)  # fmt: skip
N = parameters(SHAPE)
GB = 1e9


def state(strategy: Strategy) -> int:
    memory = estimate(SHAPE, strategy)
    return memory.weights + memory.gradients + memory.optimizer


@pytest.mark.parametrize(
    ("zero", "published"),
    [(1, 31.4), (2, 16.6), (3, 1.9)],
)
def test_model_states_divide_over_workers_as_in_the_zero_paper(zero, published):
    """Figure 1 there: 7.5 B weights, 64 workers, mixed precision."""
    scaled = state(Strategy(bf16=True, zero=zero, workers=64)) * 7.5e9 / N / GB
    assert scaled == pytest.approx(published, rel=0.02)


def test_fp32_without_zero_is_sixteen_bytes_a_weight():
    assert state(Strategy()) == 16 * N


def test_bf16_keeps_its_master_weights_even_with_zero_0():
    assert state(Strategy(bf16=True)) == 16 * N  # 2 + 2 + 8 + 4


def test_adapters_need_gradients_and_moments_for_themselves_alone():
    lora = LoraSection(rank=16)
    small = lora_parameters(SHAPE, 16, "all-linear")
    memory = estimate(SHAPE, Strategy(lora=lora, bf16=True))
    assert memory.weights == 2 * (N + small)
    assert memory.gradients == 2 * small
    assert memory.optimizer == 12 * small


def test_offloading_moves_the_optimizer_to_cpu_memory_and_loses_nothing():
    with_it = estimate(SHAPE, Strategy(zero=2, workers=4, offload=True))
    without = estimate(SHAPE, Strategy(zero=2, workers=4))
    assert (with_it.optimizer, with_it.host) == (0, without.optimizer)
    assert with_it.total == without.total - without.optimizer


def test_offloaded_weights_leave_the_device_with_those_that_are_computed_with():
    away = estimate(SHAPE, Strategy(bf16=True, zero=3, workers=2, offload=True, offload_weights=True))
    here = estimate(SHAPE, Strategy(bf16=True, zero=3, workers=2))
    assert here.weights == N
    assert away.weights == 2 * 10**9, "ZeRO-3 has so many whole at once"
    assert away.host == here.weights + here.optimizer


def test_moments_of_8_bits_take_two_bytes_a_weight_and_the_scales_of_their_blocks():
    small, whole = (estimate(SHAPE, Strategy(bf16=True, small_moments=on)) for on in (True, False))
    assert whole.optimizer - small.optimizer == pytest.approx(N * (8 - 2 - 2 * 4 / 256), rel=1e-6)


@pytest.mark.parametrize("projection", [None, 16])
def test_a_prefix_is_counted_as_the_encoder_has_it(projection):
    from peft import PrefixEncoder, PrefixTuningConfig

    shape = replace(SHAPE, layers=3, hidden=64, heads=4, key_value_heads=2, head_dim=16)
    encoder = PrefixEncoder(
        PrefixTuningConfig(
            num_virtual_tokens=5, token_dim=32, num_layers=3, encoder_hidden_size=projection or 32,
            prefix_projection=projection is not None,
        )
    )  # fmt: skip
    prefix = PrefixSection(tokens=5, projection=projection)
    memory = estimate(shape, Strategy(prefix=prefix, bf16=True))
    assert memory.gradients == 2 * sum(p.numel() for p in encoder.parameters())
    assert memory.weights - estimate(shape, Strategy(bf16=True)).weights == memory.gradients
    assert memory.activations < estimate(shape, Strategy(bf16=True)).activations


def test_what_ewc_holds_is_counted_and_divided_by_the_workers():
    plain, held = (estimate(SHAPE, Strategy(bf16=True, ewc=on)) for on in (False, True))
    assert held.total - plain.total == held.penalty == 4 * N  # the Fisher information and the start, in bf16 each
    assert estimate(SHAPE, Strategy(bf16=True, ewc=True, workers=4)).penalty == N
    assert estimate(SHAPE, Strategy(bf16=True, ewc=True, frozen=16)).penalty == 4 * trained_parameters(SHAPE, None, 16)
    lora = LoraSection(targets=("q_proj", "v_proj"))
    matrices = 32 * 2 * 4096 * 4096
    assert estimate(SHAPE, Strategy(lora=lora, bf16=True, ewc=True)).penalty == 2 * matrices
    pissa = lora.model_copy(update={"init": "pissa"})
    assert estimate(SHAPE, Strategy(lora=pissa, bf16=True, ewc=True)).penalty == 6 * matrices
    assert "EWC" in held.parts
    assert sum(held.parts.values()) == held.total


def test_the_weights_of_a_7b_model_in_bf16_are_two_bytes_each():
    assert estimate(SHAPE, Strategy(bf16=True)).weights == 2 * N == 2 * 6_738_415_616


def test_a_quantised_base_takes_its_bits_for_linear_layers_and_leaves_the_rest():
    lora = LoraSection(rank=16)
    adapters = lora_parameters(SHAPE, 16, "all-linear")
    plain = 2 * (2 * SHAPE.vocab * SHAPE.hidden + SHAPE.hidden * (2 * SHAPE.layers + 1) + adapters)
    linear = linear_parameters(SHAPE)
    for bits, size in ((4, 4.127 / 8), (8, 1.0)):
        memory = estimate(SHAPE, Strategy(lora=lora, bf16=True, bits=bits))
        assert memory.weights == pytest.approx(plain + size * linear, rel=1e-6)


def test_frozen_layers_need_no_gradients_no_optimizer_and_no_activations():
    half = estimate(SHAPE, Strategy(bf16=True, frozen=16))
    trained = trained_parameters(SHAPE, None, 16)
    assert trained == N - frozen_parameters(SHAPE, 16)
    assert (half.gradients, half.optimizer) == (2 * trained, 12 * trained)
    assert half.activations == pytest.approx(estimate(SHAPE, Strategy(bf16=True)).activations / 2, rel=0.02)


def test_activations_grow_with_the_micro_batch_and_shrink_with_recomputation():
    one = Strategy(bf16=True, micro_batch=1)
    assert estimate(SHAPE, replace(one, micro_batch=2)).activations == 2 * estimate(SHAPE, one).activations
    assert estimate(SHAPE, replace(one, recompute=True)).activations < estimate(SHAPE, one).activations / 8


def test_logits_of_a_big_vocabulary_are_held_a_chunk_at_a_time():
    big = Strategy(bf16=True, micro_batch=16, context=4096)
    assert estimate(SHAPE, big).logits == 2048 * SHAPE.vocab * (4 + 4 + 2)
    small = replace(SHAPE, vocab=8000)
    assert estimate(small, big).logits == 16 * 4096 * 8000 * (4 + 4 + 2)


def kept_for_backward(model, rows, context):
    """Bytes that a forward pass of the objective leaves for the backward pass, weights aside."""
    import torch

    from novelray.train.objective import NextTokenLoss

    own = {t.untyped_storage().data_ptr() for t in [*model.parameters(), *model.buffers()]}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = (storage.nbytes(), tensor)  # held, or its address would be given again
        return tensor

    ids = torch.randint(2, 90, (rows, context))
    positions = torch.arange(context).repeat(rows, 1)
    positions[:, context // 2 :] -= context // 2  # two documents in a row
    module = NextTokenLoss(model).train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        module(ids, positions, torch.ones(rows, context, dtype=torch.bool))
    return sum(size for size, _ in kept.values())


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(
    ("bf16", "adapters", "recompute"), [(False, False, False), (True, True, False), (True, False, True)]
)
def test_the_activations_are_those_that_a_real_model_keeps(kind, bf16, adapters, recompute):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from novelray.models.adapters import add_lora

    config = AutoConfig.for_model(
        kind, vocab_size=100, hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4,
        num_key_value_heads=2, head_dim=16, max_position_embeddings=512, tie_word_embeddings=True, pad_token_id=1,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config).to(torch.bfloat16 if bf16 else torch.float32)
    lora = LoraSection(rank=4)
    if adapters:
        add_lora(model, lora)
    if recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    shape = shape_of(config.to_dict())
    asked = Strategy(lora=lora if adapters else None, bf16=bf16, micro_batch=2, context=128, recompute=recompute)
    told = estimate(shape, asked).activations + 2 * 128 * 100 * 4  # and the logits that the loss keeps
    if recompute:  # nothing is computed again yet: the block that is whole comes in the backward pass
        one = estimate(replace(shape, layers=1), replace(asked, recompute=False)).activations
        told -= one - 2 * 128 * 64 * (4 + 2 * 2)
    assert kept_for_backward(model, 2, 128) == pytest.approx(told, rel=0.08)


def test_nothing_grows_when_workers_are_added():
    for zero in range(4):
        totals = [estimate(SHAPE, Strategy(zero=zero, workers=n)).total for n in (1, 2, 4, 8)]
        assert totals == sorted(totals, reverse=True)
        assert (totals[0] > totals[-1]) == (zero > 0)


def test_a_quantised_base_takes_as_many_bits_as_the_paper_says_and_the_rest_stays():
    lora = LoraSection(rank=16)
    whole, four, eight = (estimate(SHAPE, Strategy(lora=lora, bf16=True, bits=bits)) for bits in (None, 4, 8))
    linear = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008)
    assert whole.weights - eight.weights == linear
    assert (whole.weights - four.weights) / linear == pytest.approx(2 - 4.127 / 8)
    assert (four.gradients, four.optimizer) == (whole.gradients, whole.optimizer)


def test_frozen_layers_need_neither_gradients_nor_moments():
    memory = estimate(SHAPE, Strategy(frozen=16))
    frozen = (N - 2 * 32000 * 4096 - 4096) // 2 + 32000 * 4096
    assert memory.weights == 4 * N
    assert memory.gradients == 4 * (N - frozen)
    assert memory.optimizer == 8 * (N - frozen)

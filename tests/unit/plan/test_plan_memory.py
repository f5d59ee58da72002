"""The memory model, held against the published figures that its formulae come from, and against itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from novelray.plan import ModelShape, Strategy, estimate, lora_parameters, parameters
from novelray.recipe.train import LoraSection

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


def test_activations_grow_with_the_micro_batch_and_shrink_with_recomputation():
    one = Strategy(bf16=True, micro_batch=1)
    assert estimate(SHAPE, replace(one, micro_batch=2)).activations == 2 * estimate(SHAPE, one).activations
    assert estimate(SHAPE, replace(one, recompute=True)).activations < estimate(SHAPE, one).activations / 8
    assert estimate(SHAPE, replace(one, bf16=False)).activations == 2 * estimate(SHAPE, one).activations


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

"""What makes training small: moments of 8 bits, and weights that lie in CPU memory."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from support import training

from novelray.errors import NovelRayError
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.train import StageSection
from novelray.storage import Artifacts, Store
from novelray.train.engine import build_optimizer, deepspeed_config

STAGE = StageSection(name="main", method="full")
needs_bitsandbytes = pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is not installed")


def zero_section(offload, zero=3):
    return deepspeed_config(STAGE, zero, offload, 1, bf16=True, cuda=True)["zero_optimization"]


def test_what_is_offloaded_is_what_the_recipe_says():
    on_cpu = {"device": "cpu", "pin_memory": True}
    assert not {"offload_optimizer", "offload_param"} & zero_section("none").keys()
    assert zero_section("optimizer")["offload_optimizer"] == on_cpu
    assert "offload_param" not in zero_section("optimizer")
    both = zero_section("parameters")
    assert both["offload_optimizer"] == both["offload_param"] == on_cpu
    assert both["stage3_max_live_parameters"] == 10**9, "the plan counts with it"


@pytest.mark.skipif(bool(find_spec("bitsandbytes")), reason="bitsandbytes is installed")
def test_moments_of_8_bits_without_their_library_say_what_to_install():
    with pytest.raises(NovelRayError, match="bitsandbytes") as caught:
        build_optimizer(torch.nn.Linear(2, 2), STAGE.model_copy(update={"optimizer": "adamw8bit"}))
    assert "novelray[quantised]" in caught.value.hint


@needs_bitsandbytes
def test_moments_of_8_bits_are_brought_back_and_packed_without_changing_a_bit():
    from novelray.train.adam8bit import adam8bit, unpacked

    torch.manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(300, 40)), torch.nn.Parameter(torch.randn(7))]
    adam = adam8bit([{"params": weights, "weight_decay": 0.0}], STAGE)
    for _ in range(5):
        for weight in weights:
            weight.grad = torch.randn_like(weight) - 0.5
        adam.step()
    packed = [{k: v.clone() for k, v in adam.state[w].items() if torch.is_tensor(v)} for w in weights]
    assert packed[0]["state1"].dtype == torch.uint8
    assert packed[1]["state1"].dtype == torch.float32, "too small to gain anything"
    with unpacked(adam, keep=True):
        whole = adam.state[weights[0]]["exp_avg"]
        assert whole.shape == weights[0].shape
        assert float(whole.std()) > 0.01
    for weight, before in zip(weights, packed, strict=True):
        assert "exp_avg" not in adam.state[weight]
        changed = [name for name, value in before.items() if not torch.equal(adam.state[weight][name], value)]
        assert not changed


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    return training.tiny_job(Artifacts(Store(str(folder / "store"))), folder)


@pytest.fixture(scope="module")
def whole(tiny):
    """The run with moments in fp32."""
    job = training.variant(tiny, "whole", export=False)
    training.run_here(job)
    return job


@needs_bitsandbytes
@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 2, 3])
def test_8_bit_moments_train_as_whole_ones_do_and_go_on_bit_for_bit(tiny, whole, zero):
    small = tiny.stage.model_copy(update={"optimizer": "adamw8bit"})
    scaling = ScalingSection(zero=zero)
    straight, torn = (training.variant(tiny, f"{n} {zero}", stage=small, scaling=scaling) for n in ("straight", "torn"))
    training.run_here(straight)
    assert training.losses(straight)[:1] == pytest.approx(training.losses(whole)[:1], abs=1e-5)
    assert training.losses(straight) == pytest.approx(training.losses(whole), rel=0.02)
    training.run_here(replace(torn, stage=small.model_copy(update={"max_steps": 6}), export=False))
    commits = torn.artifacts.store.folders(f"{torn.run}/checkpoints")
    for folder in [name for name in commits if "step-00000004" not in name]:
        torn.artifacts.store.delete(f"{torn.run}/checkpoints/{folder}")
    training.run_here(torn)
    expected = training.weights(straight)
    assert all(torch.equal(value, expected[name]) for name, value in training.weights(torn).items())


@pytest.mark.slow
def test_weights_in_cpu_memory_give_the_losses_and_the_model_of_weights_on_the_device(tiny):
    plain = training.variant(tiny, "plain", scaling=ScalingSection(zero=3))
    away = training.variant(tiny, "away", scaling=ScalingSection(zero=3, offload="parameters"))
    training.run_here(plain, away)
    assert training.losses(away) == pytest.approx(training.losses(plain), abs=1e-5)
    expected = training.weights(plain)
    for name, value in training.weights(away).items():
        assert torch.allclose(value, expected[name], atol=1e-5), name

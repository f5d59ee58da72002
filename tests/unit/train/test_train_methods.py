"""Every method of training: what it trains, what it leaves alone, and that a stopped run goes on bit for bit."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support import methods, training
from support.families import tiny_folder
from support.methods import METHODS, QUANTISED, of

from novelray.errors import CancelledError, ModelError
from novelray.models.load import load_model
from novelray.recipe.scaling import ScalingSection

pytestmark = pytest.mark.usefixtures("one_thread")
ADAPTERS = [name for name, stage in METHODS.items() if stage["method"] == "lora"]
IDS = torch.arange(2, 62).reshape(2, 30)


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    return methods.tiny_base(tmp_path_factory.mktemp("methods"))


@pytest.fixture(scope="module")
def trained(common):
    jobs = {name: of(common, name) for name in METHODS}
    training.run_here(*jobs.values())
    return jobs


def base_of(common):
    return load_model(common.source, common.artifacts, torch.float32)


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS, use_cache=False).logits


@pytest.mark.parametrize("name", METHODS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit_with(name, trained, common):
    whole, torn = trained[name], of(common, name, " torn")
    torn = replace(torn, telemetry=torn.telemetry.model_copy(update={"log_every": 100}))  # looks for a cancel at step 2
    store = torn.artifacts.store
    store.write(torn.cancel_marker, b"{}")
    with pytest.raises(CancelledError, match="at step 2"):
        training.run_here(torn)
    store.delete(torn.cancel_marker)
    training.run_here(torn)
    ours, theirs = training.weights(torn), training.weights(whole)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("name", METHODS)
def test_the_loss_falls_with(name, trained):
    found = training.losses(trained[name])
    assert found[-1] < found[0]


@pytest.mark.slow
@pytest.mark.parametrize("zero", [0, 3])
def test_frozen_layers_are_exported_bit_for_bit_as_the_base_has_them_and_the_others_are_trained(zero, trained, common):
    job = trained["frozen layers"]
    if zero:
        job = of(common, "frozen layers", f" zero {zero}", scaling=ScalingSection(zero=zero))
        training.run_here(job)
    before, after = base_of(common).state_dict(), training.weights(job)
    assert before.keys() == after.keys()
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {n for n in before if "embed_tokens" in n or ".layers.0." in n}


def test_a_commit_of_a_run_with_frozen_layers_holds_no_frozen_weight(trained):
    from novelray.checkpoints.commit import latest

    job = trained["frozen layers"]
    names = [name for name, _ in latest(job.artifacts.store, job.run).tensors()]
    assert names
    assert not any("embed_tokens" in n or ".layers.0." in n for n in names)


def test_a_model_with_frozen_layers_loads_again_as_it_was_trained(trained, common):
    from transformers import AutoModelForCausalLM

    job = trained["frozen layers"]
    folder = job.artifacts.get(job.plan.id).local()
    found = logits(AutoModelForCausalLM.from_pretrained(folder))
    assert torch.equal(found, logits(load_model(f"artifact:{job.plan.id}", job.artifacts, torch.float32)))
    assert not torch.allclose(found, logits(base_of(common)), atol=1e-3)


def test_freezing_every_layer_is_refused_with_the_number_that_the_model_has(common):
    from novelray.models.freeze import train_above

    with pytest.raises(ModelError, match=r"is 2, and the model has 2 decoder layers") as caught:
        train_above(base_of(common), 2)
    assert "at most 1" in caught.value.hint


def as_trained(job):
    """The model in the state of the newest commit, as the run itself would go on with it."""
    from novelray.train.job import Place
    from novelray.train.setup import prepare

    return prepare(job, Place(), print).engine.module.model


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_computes_what_was_trained_in_peft_merged_and_in_the_engine_beside_others(name, trained, common):
    from peft import PeftModel

    from novelray.generate.lora import Adapters

    job = trained[name]
    folder = job.artifacts.get(job.plan.id).local()
    before, expected = logits(base_of(common)), logits(as_trained(job))
    assert not torch.allclose(expected, before, atol=1e-2)
    close = {"atol": 2e-4, "rtol": 0}
    torch.testing.assert_close(logits(PeftModel.from_pretrained(base_of(common), folder)), expected, **close)
    merged = load_model(f"artifact:{job.plan.id}", job.artifacts, torch.float32)
    torch.testing.assert_close(logits(merged), expected, **close)
    model = base_of(common)
    adapters = Adapters(model, exact=True)
    adapters.load("a", str(folder))
    adapters.use([{"a": 1.0}, {}])
    beside = logits(model)
    torch.testing.assert_close(beside[0], expected[0], **close)
    torch.testing.assert_close(beside[1], before[1], **close)


def test_pissa_begins_with_the_outputs_of_the_base_and_the_largest_singular_values(common):
    from novelray.models.adapters import add_lora
    from novelray.models.pissa import principal_parts, take_out
    from novelray.recipe.train import LoraSection

    base, section = base_of(common), LoraSection(rank=4, init="pissa")
    model = add_lora(base_of(common), section)
    initial = principal_parts(model, seed=1)
    take_out(model, initial)
    torch.testing.assert_close(logits(model), logits(base), atol=1e-4, rtol=0)
    name = "model.layers.0.mlp.up_proj"
    whole = torch.linalg.svdvals(base.get_submodule(name).weight)
    left = torch.linalg.svdvals(model.get_submodule(name).get_base_layer().weight)
    torch.testing.assert_close(left[:8], whole[4:12], atol=1e-3, rtol=0)


def test_a_pissa_adapter_is_an_ordinary_one_of_twice_the_rank_that_undoes_its_beginning(trained):
    from novelray.checkpoints.commit import latest
    from novelray.train.state import initial_of

    job = trained["pissa"]
    stored = load_file(job.artifacts.get(job.plan.id).local() / "adapter_model.safetensors")
    initial = initial_of(latest(job.artifacts.store, job.run))
    name = "model.layers.1.self_attn.q_proj.lora_A"
    found = stored[f"base_model.model.{name}.weight"]
    assert found.shape[0] == 8
    assert torch.equal(found[4:], initial[f"{name}.default.weight"])


def test_a_rank_that_a_weight_has_not_is_refused_for_pissa(common):
    from novelray.models.adapters import add_lora
    from novelray.models.pissa import principal_parts
    from novelray.recipe.train import LoraSection

    model = add_lora(base_of(common), LoraSection(rank=20, init="pissa"))
    with pytest.raises(ModelError, match=r"rank is 20, and .*k_proj has only 16"):
        principal_parts(model, seed=1)


def test_with_lora_plus_b_learns_faster_by_the_ratio_and_a_as_before():
    from types import SimpleNamespace

    from novelray.train.engine import parameter_groups, set_learning_rate

    model = torch.nn.ModuleDict({"lora_A": torch.nn.ModuleDict({"default": torch.nn.Linear(2, 2)}),
                                 "lora_B": torch.nn.ModuleDict({"default": torch.nn.Linear(2, 2)})})  # fmt: skip
    model = torch.nn.ModuleDict({"layer": model})
    groups = parameter_groups(model, common_stage(loraplus=16.0))
    set_learning_rate(SimpleNamespace(optimizer=SimpleNamespace(param_groups=groups)), 1e-3)
    names = {id(p): n for n, p in model.named_parameters()}
    rates = {names[id(p)]: group["lr"] for group in groups for p in group["params"]}
    assert {n: pytest.approx(16e-3 if "lora_B" in n else 1e-3) for n in rates} == rates
    assert len(rates) == 4


def common_stage(**lora):
    from novelray.recipe.train import StageSection

    return StageSection.model_validate({"name": "main", "method": "lora", "lora": lora})


def test_dora_in_the_engine_does_not_stretch_a_bias(tmp_path):
    from novelray.checkpoints.export import adapted_modules, export_adapter
    from novelray.generate.lora import Adapters
    from novelray.models.adapters import adapter_config, add_lora
    from novelray.models.load import from_folder
    from novelray.recipe.train import LoraSection

    folder, section = tiny_folder("qwen2", tmp_path / "base"), LoraSection(rank=4, dora=True)
    with torch.no_grad():
        base = from_folder(folder, torch.float32)
        for name, parameter in base.named_parameters():
            if name.endswith(".bias"):
                parameter.normal_()
        base.save_pretrained(folder)
        model = add_lora(from_folder(folder, torch.float32), section)
        weights = {n: p for n, p in model.named_parameters() if p.requires_grad}
        for parameter in weights.values():
            parameter.add_(torch.rand_like(parameter))
    export_adapter(weights.items(), adapter_config(section, adapted_modules(weights)), tmp_path / "adapter")
    adapters = Adapters(base, exact=True)
    adapters.load("a", str(tmp_path / "adapter"))
    adapters.use([{"a": 1.0}, {"a": 1.0}])
    torch.testing.assert_close(logits(base), logits(model), atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in METHODS if name in QUANTISED])
def test_an_adapter_of_a_quantised_base_computes_what_was_trained_and_nearly_so_on_the_whole_base(
    name, trained, common
):
    from peft import PeftModel

    from novelray.models.quantised import quantise

    job = trained[name]
    folder = job.artifacts.get(job.plan.id).local()
    expected, rounded = logits(as_trained(job)), quantise(base_of(common), job.stage.bits)
    off = (logits(rounded) - logits(base_of(common))).norm()
    assert torch.equal(logits(PeftModel.from_pretrained(rounded, folder)), expected)
    whole = logits(load_model(f"artifact:{job.plan.id}", job.artifacts, torch.float32))
    assert 0 < (whole - expected).norm() < 2 * off, "no farther from it than the rounding of the base is"
    assert (whole - logits(base_of(common))).norm() > off, "the adapter does more than the rounding"


@pytest.mark.skipif(not find_spec("bitsandbytes"), reason="bitsandbytes is not installed")
@pytest.mark.parametrize("bits", [4, 8])
def test_a_quantised_base_is_small_close_and_not_changed_by_evaluation(bits, common):
    from novelray.models.quantised import quantise

    base, model = base_of(common), quantise(base_of(common), bits)
    name = "model.layers.0.mlp.up_proj"
    weight = model.get_submodule(name).weight
    assert weight.numel() * weight.element_size() == base.get_submodule(name).weight.numel() * bits // 8
    assert type(model.lm_head) is torch.nn.Linear
    before = model.train()(IDS).logits.detach()
    evaluated = logits(model)
    assert torch.equal(evaluated, before)
    assert torch.equal(model.train()(IDS).logits.detach(), before)
    error = (before - logits(base)).norm() / logits(base).norm()
    assert error < (0.3 if bits == 4 else 0.02)


def test_without_bitsandbytes_a_quantised_base_says_what_to_install(common, monkeypatch):
    import sys

    from novelray.errors import NovelRayError
    from novelray.models.quantised import quantise

    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(NovelRayError, match="'bitsandbytes' is needed") as caught:
        quantise(base_of(common), 4)
    assert "novelray[quantised]" in caught.value.hint


@pytest.mark.parametrize("name", [name for name in METHODS if METHODS[name]["method"] != "qlora"])
def test_the_plan_counts_the_weights_that_are_trained_with(name, common):
    import json

    from novelray.plan import shape_of
    from novelray.plan.memory import strategy_of, trained_by
    from novelray.train.setup import build_model

    job = of(common, name)
    config = json.loads((Path(job.model.base) / "config.json").read_text())
    strategy = strategy_of(job.stage, job.scaling, job.context, bf16=False)
    model = build_model(job, bf16=False)
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert trained_by(shape_of(config), strategy) == trained

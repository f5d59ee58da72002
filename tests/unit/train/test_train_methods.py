"""Every method of training: what it trains, what it leaves alone, and that a stopped run goes on bit for bit."""

from dataclasses import replace

import pytest
import torch
from support import training
from support.families import tiny_folder

from novelray.errors import CancelledError, ModelError
from novelray.models.load import load_model
from novelray.recipe.model import ModelSection
from novelray.storage import Artifacts, Store

METHODS = {
    "full": {"method": "full"},
    "frozen layers": {"method": "full", "freeze_layers": 1},
    "lora": {"method": "lora"},
}
IDS = torch.arange(2, 62).reshape(2, 30)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As tiny as these models are, a second thread costs more than it gives."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def common(tmp_path_factory):
    """A job on a tiny Llama of three layers; `of` makes the job of a method from it."""
    folder = tmp_path_factory.mktemp("methods")
    base = tiny_folder("llama", folder / "base", num_hidden_layers=3)
    job = training.tiny_job(
        Artifacts(Store(str(folder / "store"))), folder, max_steps=4, validate_every=4, global_batch=4,
        micro_batch=4, learning_rate=1e-2,
    )  # fmt: skip
    return replace(job, source=f"folder:{base}", model=ModelSection(base=str(base)))


def of(common, name, run=""):
    values = {**common.stage.model_dump(exclude_unset=True), **METHODS[name]}
    return training.variant(common, name + run, stage=type(common.stage).model_validate(values))


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


def test_frozen_layers_are_exported_bit_for_bit_as_the_base_has_them_and_the_others_are_trained(trained, common):
    before, after = base_of(common).state_dict(), training.weights(trained["frozen layers"])
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

    with pytest.raises(ModelError, match=r"is 3, and the model has 3 decoder layers") as caught:
        train_above(base_of(common), 3)
    assert "at most 2" in caught.value.hint

"""Models of the families that writers start from: trained in full and by adapters, exported, loaded again."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from support import training
from support.families import FAMILIES, problem_of, run_all, tiny_folder

from novelray.errors import ModelError
from novelray.models.load import load_model
from novelray.recipe.model import ModelSection
from novelray.storage import Artifacts, Store
from novelray.train.job import Place

pytestmark = pytest.mark.slow
IDS = torch.arange(2, 62).reshape(2, 30)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """family → (base folder, full job, LoRA job, LoRA job on the LoRA model)."""
    folder = tmp_path_factory.mktemp("families")
    common = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, max_steps=4, validate_every=4)
    lora = common.stage.model_copy(update={"method": "lora", "learning_rate": 1e-2})
    found = {}
    for kind in FAMILIES:
        base = tiny_folder(kind, folder / kind)
        given = {"source": f"folder:{base}", "model": ModelSection(base=str(base))}
        full = training.variant(common, f"{kind} full", **given)
        adapter = training.variant(common, f"{kind} lora", stage=lora, **given)
        stacked = training.variant(adapter, f"{kind} stacked", source=f"artifact:{adapter.plan.id}")
        found[kind] = (base, full, adapter, stacked)
    run_all([job for _, *jobs in found.values() for job in jobs])
    return found


def logits(model):
    with torch.no_grad():
        return model.eval()(IDS, use_cache=False).logits


def loaded(source, artifacts):
    return load_model(source, artifacts, torch.float32)


def names_in(folder):
    with safe_open(next(folder.glob("model*.safetensors")), framework="pt") as stored:
        return sorted(stored.keys())


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_local_model_is_trained_in_full_and_comes_back_as_its_family_writes_it(trained, kind):
    base, full, *_ = trained[kind]
    assert problem_of(full) is None
    assert training.losses(full)[-1] < training.losses(full)[0]
    folder = full.artifacts.get(full.plan.id).local()
    assert names_in(folder) == names_in(base), "other programs look for the names that the base has"
    before, after = (json.loads((f / "config.json").read_text()) for f in (base, folder))
    assert after["architectures"] == before["architectures"]
    assert (folder / "tokenizer.json").is_file()
    ours, theirs = loaded(f"artifact:{full.plan.id}", full.artifacts), loaded(f"folder:{base}", full.artifacts)
    assert not torch.equal(logits(ours), logits(theirs))
    kept = {n: b for n, b in theirs.named_buffers() if "correction" in n}
    assert all(torch.equal(dict(ours.named_buffers())[n], b) for n, b in kept.items())
    assert bool(kept) == (kind == "deepseek_v3")


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_local_model_gets_an_adapter_that_peft_reads_and_that_merges_without_a_difference(trained, kind):
    from peft import PeftModel

    base, _, lora, _ = trained[kind]
    assert problem_of(lora) is None
    assert training.losses(lora)[-1] < training.losses(lora)[0]
    folder = lora.artifacts.get(lora.plan.id).local()
    plain = loaded(f"folder:{base}", lora.artifacts)
    before = logits(plain)
    adapted = logits(PeftModel.from_pretrained(plain, folder))
    assert not torch.allclose(adapted, before, atol=1e-3)
    torch.testing.assert_close(logits(loaded(f"artifact:{lora.plan.id}", lora.artifacts)), adapted, atol=1e-4, rtol=0)
    assert not any(folder.glob("model*.safetensors")), "the base is not copied into the adapter"


@pytest.mark.parametrize("kind", FAMILIES)
def test_an_adapter_on_an_adapter_loads_with_both_merged(trained, kind):
    from peft import PeftModel

    _, _, lora, stacked = trained[kind]
    assert problem_of(stacked) is None
    below = loaded(f"artifact:{lora.plan.id}", lora.artifacts)
    expected = logits(PeftModel.from_pretrained(below, stacked.artifacts.get(stacked.plan.id).local()))
    both = logits(loaded(f"artifact:{stacked.plan.id}", lora.artifacts))
    torch.testing.assert_close(both, expected, atol=1e-4, rtol=0)
    assert not torch.allclose(both, logits(loaded(f"artifact:{lora.plan.id}", lora.artifacts)), atol=1e-3)


def test_an_adapter_refuses_another_base_than_its_own(trained, tmp_path):
    base, _, lora, _ = trained["qwen2"]
    weights = base / "model.safetensors"
    kept = weights.read_bytes()
    tiny_folder("qwen2", base, seed=1)
    try:
        with pytest.raises(ModelError, match=r"is not the one that the adapter .* was trained on"):
            loaded(f"artifact:{lora.plan.id}", lora.artifacts)
    finally:
        weights.write_bytes(kept)
    loaded(f"artifact:{lora.plan.id}", lora.artifacts)
    moved = base.rename(tmp_path / "moved")
    try:
        with pytest.raises(ModelError, match=r"There is no model folder"):
            loaded(f"artifact:{lora.plan.id}", lora.artifacts)
    finally:
        moved.rename(base)


def test_rows_with_ids_that_the_base_does_not_know_are_refused_before_training(trained, tmp_path):
    from novelray.train.setup import prepare

    _, full, *_ = trained["llama"]
    small = tiny_folder("llama", tmp_path / "small", vocab_size=300)
    job = replace(training.variant(full, "small"), source=f"folder:{small}")
    with pytest.raises(ModelError, match=r"token id \d+, and the model's vocabulary has 300 tokens"):
        prepare(job, Place(), print)


def test_rows_longer_than_the_base_reads_are_refused(trained, tmp_path):
    from novelray.errors import TrainError
    from novelray.train.setup import prepare

    _, full, *_ = trained["llama"]
    short = tiny_folder("llama", tmp_path / "short", max_position_embeddings=32)
    job = replace(training.variant(full, "short"), source=f"folder:{short}")
    with pytest.raises(TrainError, match="64 tokens and the base model reads 32"):
        prepare(job, Place(), print)

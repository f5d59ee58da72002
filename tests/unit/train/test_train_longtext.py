"""Training with sparse attention on scaled positions: the loss is what it says, and the model brings both along."""

import json

import pytest
import torch
from support import training
from support.families import tiny_folder
from support.training import CONTEXT

from novelray.errors import TrainError
from novelray.evaluate.score import held_out_loss
from novelray.models.attention import NAME
from novelray.models.blocks import dense_mask
from novelray.models.load import load_model
from novelray.models.pattern import pattern_of
from novelray.recipe.longtext import AttentionSection, RopeSection
from novelray.recipe.model import ModelSection
from novelray.recipe.scaling import ScalingSection
from novelray.shards.order import RowOrder
from novelray.shards.rows import open_rows
from novelray.storage import Artifacts, Store
from novelray.train.setup import build_model

ROPE = RopeSection(type="yarn", factor=2.0)
SPARSE = AttentionSection(block=16, window_blocks=1, global_blocks=1, random_blocks=1)
LIMIT = CONTEXT // 2  # what the base reads


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """name → job, trained: in full, the same in other ways, adapters on a plain base, and adapters on those."""
    folder = tmp_path_factory.mktemp("long")
    plain = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, micro_batch=8, max_steps=3)
    full = training.variant(plain, "full", model=ModelSection(rope=ROPE, attention=SPARSE), position_limit=LIMIT)
    base = tiny_folder("llama", folder / "base", max_position_embeddings=LIMIT)
    accumulated = full.stage.model_copy(update={"micro_batch": 2, "activation_checkpointing": True})
    lora = full.stage.model_copy(update={"method": "lora", "learning_rate": 1e-2})
    jobs = {
        "full": full,
        "accumulated": training.variant(full, "accumulated", stage=accumulated),
        "lora": training.variant(full, "lora", stage=lora, source=f"folder:{base}"),
    }
    jobs["after"] = training.variant(
        jobs["lora"], "after", source=f"artifact:{jobs['lora'].plan.id}", model=ModelSection()
    )
    training.run_here(*jobs.values())
    return jobs


def loaded(job):
    return load_model(f"artifact:{job.plan.id}", job.artifacts, torch.float32).eval()


def test_the_loss_is_the_mean_over_trained_tokens_under_the_dense_mask(runs):
    job = runs["full"]
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    batch = rows.batch(RowOrder(len(rows), job.stage.global_batch, job.seed).batch(0, 0))
    ids, positions, mask = (torch.from_numpy(x) for x in (batch.input_ids, batch.position_ids, batch.mask))
    model = build_model(job, bf16=False).eval()
    seen = dense_mask(positions, pattern_of(model.config))
    assert seen.sum() < dense_mask(positions, pattern_of(model.config).__class__(16, 99, 0, 0, 0)).sum()
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        logits = model(input_ids=ids, position_ids=positions, attention_mask=seen, use_cache=False).logits[:, :-1]
    wanted = mask[:, 1:].bool()
    expected = torch.nn.functional.cross_entropy(logits[wanted], ids[:, 1:].long()[wanted]).item()
    assert training.losses(job)[0] == pytest.approx(expected, abs=1e-5)
    assert training.losses(job)[-1] < training.losses(job)[0]


def test_accumulation_and_activation_checkpointing_change_nothing_but_rounding(runs):
    ours, theirs = training.weights(runs["accumulated"]), training.weights(runs["full"])
    assert training.losses(runs["accumulated"]) == pytest.approx(training.losses(runs["full"]), abs=1e-5)
    for name in theirs:
        torch.testing.assert_close(ours[name], theirs[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["full", "lora", "after"])
def test_a_trained_model_brings_its_attention_and_its_positions_along(name, runs):
    """Also as an adapter, and as an adapter on an adapter whose recipe said nothing any more."""
    model = loaded(runs[name])
    assert model.config._attn_implementation == NAME
    assert model.config.max_position_embeddings == CONTEXT
    assert model.config.rope_parameters["rope_type"] == "yarn"
    heldout = open_rows(runs[name].artifacts.get(runs[name].shards).local(), "heldout")
    loss, tokens = held_out_loss(model, heldout, runs[name].stage.validation_rows)
    assert loss / tokens == pytest.approx(training.progress(runs[name])["validation_loss"], abs=1e-4)


def test_an_exported_model_says_in_its_configuration_what_other_programs_read(runs):
    config = json.loads((runs["full"].artifacts.get(runs["full"].plan.id).local() / "config.json").read_text())
    assert config["max_position_embeddings"] == CONTEXT
    assert config["rope_parameters"]["factor"] == 2.0
    assert config["rope_parameters"]["original_max_position_embeddings"] == LIMIT
    assert config["novelray_attention"] == SPARSE.model_dump(mode="json")


def test_rows_longer_than_the_base_reads_are_refused_without_scaling(runs):
    job = training.variant(runs["full"], "short", model=ModelSection(attention=SPARSE))
    with pytest.raises(TrainError, match=f"reads {LIMIT}"):
        build_model(job, bf16=False)


@pytest.mark.slow
def test_two_workers_and_zero_stages_change_nothing_but_rounding(runs):
    stage = runs["full"].stage.model_copy(update={"micro_batch": 2})
    jobs = [
        training.variant(runs["full"], f"ZeRO {zero}", stage=stage, scaling=ScalingSection(workers=2, zero=zero))
        for zero in (0, 3)
    ]
    assert training.run(*jobs, world=2) == [0, 0]
    for job in jobs:
        assert training.losses(job) == pytest.approx(training.losses(runs["full"]), abs=1e-4)

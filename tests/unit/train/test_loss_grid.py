"""Workers, accumulation, ZeRO stage and activation checkpointing change the loss by rounding and nothing else."""

import pytest
import torch
from support import training

from novelray.recipe.scaling import ScalingSection

GRID = {
    "two workers": (2, 0, 1, False),
    "accumulation 1": (1, 0, 8, False),
    "accumulation 4 on two workers with ZeRO 1": (2, 1, 1, False),
    "ZeRO 2": (1, 2, 2, False),
    "ZeRO 2 on two workers": (2, 2, 1, False),
    "ZeRO 3": (1, 3, 4, False),
    "ZeRO 3 on two workers": (2, 3, 2, False),
    "activation checkpointing": (1, 0, 2, True),
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    from novelray.storage import Artifacts, Store

    folder = tmp_path_factory.mktemp("grid")
    job = training.tiny_job(Artifacts(Store(str(folder / "store"))), folder)
    assert training.run(job) == [0]
    return job


@pytest.fixture(scope="module")
def grid(reference):
    """Every variant, trained. Those with as many workers share processes, which take longer to start than to train."""
    jobs = {}
    for name, (world, zero, micro_batch, recompute) in GRID.items():
        stage = reference.stage.model_copy(update={"micro_batch": micro_batch, "activation_checkpointing": recompute})
        scaling = ScalingSection(workers=world, zero=zero)
        jobs[name] = training.variant(reference, name, stage=stage, scaling=scaling)
    for world in (1, 2):
        assert training.run(*(jobs[n] for n in GRID if GRID[n][0] == world), world=world) == [0] * world
    return jobs


@pytest.mark.slow
@pytest.mark.parametrize("name", GRID)
def test_the_loss_does_not_depend_on(name, grid, reference):
    job = grid[name]
    assert training.losses(job) == pytest.approx(training.losses(reference), abs=1e-4)
    assert training.progress(job)["validation_loss"] == pytest.approx(
        training.progress(reference)["validation_loss"], abs=1e-4
    )
    ours, theirs = training.weights(job), training.weights(reference)
    assert ours.keys() == theirs.keys()
    for key in ours:
        torch.testing.assert_close(ours[key], theirs[key], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_the_loss_of_lora_does_not_depend_on_workers_and_zero_stage(reference):
    lora = training.variant(
        reference, "lora", source=f"artifact:{reference.plan.id}",
        stage=reference.stage.model_copy(update={"method": "lora", "learning_rate": 1e-2}),
    )  # fmt: skip
    assert training.run(lora) == [0]
    sharded = training.variant(lora, "lora-zero-2", scaling=ScalingSection(workers=2, zero=2))
    assert training.run(sharded, world=2) == [0, 0]
    assert training.losses(sharded) == pytest.approx(training.losses(lora), abs=1e-4)
    assert training.losses(lora)[-1] < training.losses(lora)[0]


@pytest.mark.slow
def test_the_loss_that_is_logged_is_the_plain_mean_over_trained_tokens(reference):
    """The first step's loss, against a plain transformers forward of the same rows with the library's own loss."""
    from novelray.shards.order import RowOrder
    from novelray.shards.rows import open_rows
    from novelray.train.setup import build_model

    shards = reference.artifacts.get(reference.shards).local()
    rows = open_rows(shards, "train")
    batch = rows.batch(RowOrder(len(rows), reference.stage.global_batch, reference.seed).batch(0, 0))
    model = build_model(reference, bf16=False).eval()
    ids, positions, mask = (torch.from_numpy(x) for x in (batch.input_ids, batch.position_ids, batch.mask))
    with torch.no_grad():
        logits = model(input_ids=ids, position_ids=positions, use_cache=False).logits[:, :-1]
    wanted = mask[:, 1:]
    expected = torch.nn.functional.cross_entropy(logits[wanted], ids[:, 1:][wanted]).item()
    assert training.losses(reference)[0] == pytest.approx(expected, abs=1e-4)

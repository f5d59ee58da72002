"""A run as a list of stages: each with its books, method, epochs and rate, from the best commit of the one before."""

from dataclasses import replace

import pytest
import torch
from support import training

from novelray.checkpoints.commit import best, commits
from novelray.models.load import load_model
from novelray.recipe.train import StageSection, TrainSection
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts, Plan, Store
from novelray.train import setup

SECTION = TrainSection.model_validate({
    "method": "full", "epochs": 9, "global_batch": 8, "validate_every": 2, "validation_rows": 8, "warmup": 0,
    "schedule": "constant",
    "stages": [
        {"name": "neighbour", "books": ["near*"], "max_steps": 4, "learning_rate": 3e-2},
        {"name": "target", "books": ["target"], "method": "lora", "max_steps": 4, "learning_rate": 1e-2},
    ],
})  # fmt: skip


def shards_of(artifacts, tokenizer, book, seed):
    """Rows of one book's chapters; as many held out as the tiny corpus has."""
    encoder = Encoder.of(load_tokenizer(artifacts.get(tokenizer.partition(":")[2]).local()))
    draft = artifacts.begin(Plan("shards", 1, section={"book": book}))
    for split, count in (("train", 20), ("heldout", 8)):
        texts = training.stories(count, seed)
        data, _ = make_shard([f"{book}:{split}:{i}" for i in range(count)], texts, encoder, training.CONTEXT)
        draft.write(f"{split}/rows-00000.arrow", data)
    return draft.commit().id


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Both stages, trained; the model that the second one started with is kept as `started`."""
    folder = tmp_path_factory.mktemp("stages")
    artifacts = Artifacts(Store(str(folder / "store")))
    near, target = SECTION.resolved()
    tiny = training.tiny_job(artifacts, folder)
    first = replace(
        tiny, stage=near, shards=shards_of(artifacts, tiny.tokenizer, "near-1", 11), keep_checkpoints=9,
        plan=Plan("model", 1, section={"stage": "first"}),
    )  # fmt: skip
    second = replace(
        first, stage=target, shards=shards_of(artifacts, tiny.tokenizer, "target", 12),
        source=f"artifact:{first.plan.id}", plan=Plan("model", 1, {"base": first.plan.id}, {"stage": "second"}),
    )  # fmt: skip
    started = {}
    with pytest.MonkeyPatch.context() as patch:
        real = setup.build_model

        def build_model(job, bf16):
            model = real(job, bf16)
            started[job.stage.name] = {k: v.clone() for k, v in model.state_dict().items()}
            return model

        patch.setattr(setup, "build_model", build_model)
        losses = {}
        validation = iter((5.0, 3.0))  # the fourth step is the best; see below for the other way round
        del validation, losses
        training.run_here(first, second)
    return first, second, started


def test_a_stage_says_its_books_method_epochs_and_rate_and_inherits_the_rest():
    near, target = SECTION.resolved()
    assert (near.books, near.method, near.learning_rate) == (("near*",), "full", 3e-2)
    assert (target.books, target.method, target.learning_rate) == (("target",), "lora", 1e-2)
    assert near.epochs == target.epochs == 9
    again = TrainSection.model_validate({"epochs": 9, "stages": [{"name": "a", "epochs": 2}, {"name": "b"}]})
    assert [stage.epochs for stage in again.resolved()] == [2, 9]
    assert isinstance(near, StageSection)

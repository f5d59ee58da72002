"""A run as a list of stages: each with its books, method, epochs and rate, from the best commit of the one before."""

from dataclasses import replace

import pytest
import torch
from support import training

from novelray.checkpoints.commit import best, commits
from novelray.checkpoints.export import WEIGHT
from novelray.recipe.train import TrainSection
from novelray.shards.encode import Encoder
from novelray.shards.make import make_shard
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts, Plan, Store
from novelray.telemetry.journal import read_journal
from novelray.train import setup
from novelray.train.audit import audit

SECTION = TrainSection.model_validate({
    "method": "full", "epochs": 9, "global_batch": 8, "validate_every": 2, "validation_rows": 4, "warmup": 0,
    "schedule": "constant",
    "stages": [
        {"name": "neighbour", "books": ["near*"], "max_steps": 4, "learning_rate": 3e-2},
        {"name": "target", "books": ["target"], "method": "lora", "max_steps": 4, "learning_rate": 1e-2},
    ],
})  # fmt: skip


HAN, LATIN = training.WORDS[:20], training.WORDS[20:]


def tales(words, count):
    """Texts out of these words, each a walk through them."""
    walks = ((words[(start + k * k) % len(words)] + "，" for k in range(100)) for start in range(count))
    return ["".join(walk) for walk in walks]


def shards_of(artifacts, tokenizer, book, train, heldout):
    encoder = Encoder.of(load_tokenizer(artifacts.get(tokenizer.partition(":")[2]).local()))
    draft = artifacts.begin(Plan("shards", 1, section={"book": book}))
    for split, texts in (("train", train), ("heldout", heldout)):
        data, _ = make_shard([f"{book}:{split}:{i}" for i in range(len(texts))], texts, encoder, training.CONTEXT)
        draft.write(f"{split}/rows-00000.arrow", data)
    return draft.commit().id


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """(first job, second job, the weights that the second one began with), both trained.

    The first stage learns one language and is measured on another, so that each step makes it worse there.
    """
    folder = tmp_path_factory.mktemp("stages")
    artifacts = Artifacts(Store(str(folder / "store")))
    near, target = SECTION.resolved()
    tiny = training.tiny_job(artifacts, folder)
    first = replace(
        tiny, stage=near, plan=Plan("model", 1, section={"stage": "first"}), checkpoint_every=4,
        shards=shards_of(artifacts, tiny.tokenizer, "near-1", tales(LATIN, 12), tales(HAN, 2)),
    )  # fmt: skip
    second = replace(
        first, stage=target, source=f"artifact:{first.plan.id}",
        plan=Plan("model", 1, {"base": first.plan.id}, {"stage": "second"}),
        shards=shards_of(artifacts, tiny.tokenizer, "target", tales(HAN, 12), tales(HAN, 2)),
    )  # fmt: skip
    began = {}
    with pytest.MonkeyPatch.context() as patch:
        real = setup.build_model

        def build_model(job, *rest):
            model = real(job, *rest)
            began[job.stage.name] = {k: v.clone() for k, v in model.state_dict().items()}
            return model

        patch.setattr(setup, "build_model", build_model)
        training.run_here(first, second)
    return first, second, began["target"]


def test_a_stage_says_its_books_method_epochs_and_rate_and_inherits_the_rest():
    near, target = SECTION.resolved()
    assert (near.books, near.method, near.learning_rate) == (("near*",), "full", 3e-2)
    assert (target.books, target.method, target.learning_rate) == (("target",), "lora", 1e-2)
    assert near.epochs == target.epochs == 9
    again = TrainSection.model_validate({"epochs": 9, "stages": [{"name": "a", "epochs": 2}, {"name": "b"}]})
    assert [stage.epochs for stage in again.resolved()] == [2, 9]


def test_a_stage_starts_from_the_best_checkpoint_of_the_one_before_and_not_from_its_last(stages):
    first, second, began = stages
    store = first.artifacts.store
    chosen = best(store, first.run)
    last = max(commits(store, first.run), key=lambda c: c.step)
    assert (chosen.step, last.step) == (2, 4)
    wanted, other = (
        {name.removeprefix(WEIGHT): value for name, value in commit.tensors(lambda name: name.startswith(WEIGHT))}
        for commit in (chosen, last)
    )
    plain = {name.removeprefix("base_model.model.").replace(".base_layer", ""): v for name, v in began.items()}
    assert set(wanted) <= set(plain)
    assert all(torch.equal(plain[name], value) for name, value in wanted.items())
    assert any(not torch.equal(plain[name], value) for name, value in other.items())
    assert first.artifacts.get(first.plan.id).counts["step"] == 2
    assert second.artifacts.get(second.plan.id).read_json("base.json")["source"] == f"artifact:{first.plan.id}"


def test_each_stage_trains_on_its_own_books_with_its_own_method_and_rate(stages):
    for job, book, method, rate in ((stages[0], "near-1", "full", 3e-2), (stages[1], "target", "lora", 1e-2)):
        trained = {chapter.partition(":")[0] for epoch in audit(job) for chapter in epoch.chapters}
        assert trained == {book}
        logged = [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == "train"]
        assert {e["learning_rate"] for e in logged} == {rate}
        assert len(logged) == 4
        made = job.artifacts.get(job.plan.id)
        assert made.counts["method"] == method
        assert ("adapter_model.safetensors" in made.manifest.files) == (method == "lora")


def test_the_second_stage_learns_its_own_books_on_top(stages):
    losses = training.losses(stages[1])
    assert losses[-1] < losses[0]

"""Heads beside the language model: exact however the work is divided, resumed, saved, kept, and measured."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from support import training
from support.labelled import TASKS, labelled_job

from novelray.models.heads import heads_of
from novelray.models.load import load_model
from novelray.recipe.scaling import ScalingSection
from novelray.recipe.tasks import TaskSection
from novelray.shards.chapters import open_chapters
from novelray.shards.encode import Encoder
from novelray.shards.rows import open_rows
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts, Store
from novelray.telemetry.journal import read_journal
from novelray.train.loop import Loop
from novelray.train.tasks import Step, Tasks

WATCHED = ("loss", "loss/style", "loss/genre")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A base with two heads, trained in full in this process."""
    folder = tmp_path_factory.mktemp("tasks")
    job = labelled_job(Artifacts(Store(str(folder / "store"))), folder)
    training.run_here(job)
    return job


@pytest.fixture(scope="module")
def adapted(trained):
    """Adapters on that base: its style head is trained on, its genre head is not mentioned."""
    stage = trained.stage.model_copy(update={"method": "lora", "max_steps": 4, "tasks": trained.stage.tasks[:1]})
    job = training.variant(trained, "lora", stage=stage, source=f"artifact:{trained.plan.id}")
    training.run_here(job)
    return job


@pytest.fixture(scope="module")
def prefixed(trained):
    """A prefix on that base, and its heads."""
    stage = trained.stage.model_copy(update={"method": "prefix", "max_steps": 12, "learning_rate": 1e-2})
    job = training.variant(trained, "prefix", stage=stage, source=f"artifact:{trained.plan.id}")
    training.run_here(job)
    return job


def test_heads_are_trained_beside_a_prefix_and_saved_with_it(prefixed):
    heads = heads_of(f"artifact:{prefixed.plan.id}", prefixed.artifacts)
    assert [head.name for head in heads] == [task["name"] for task in TASKS]
    first, last = events(prefixed, "train")[0], events(prefixed, "train")[-1]
    assert last["loss/style"] < first["loss/style"]
    assert events(prefixed, "validation")[-1]["accuracy/style"] > 0.9


def events(job, kind):
    return [e for e in read_journal(job.artifacts.store, job.run) if e["kind"] == kind]


def curves(job):
    """Every watched loss of every step and validation."""
    return [e.get(name, 0.0) for kind in ("train", "validation") for e in events(job, kind) for name in WATCHED]


def test_the_journal_tells_each_tasks_loss_accuracy_and_f1(trained):
    first, last = events(trained, "train")[0], events(trained, "train")[-1]
    assert first["loss/style"] == pytest.approx(math.log(2), abs=1e-6)  # a fresh head finds both as likely
    assert last["loss/style"] < 0.6
    final = events(trained, "validation")[-1]
    assert final["accuracy/style"] > 0.9
    assert final["f1/style"] > 0.9
    assert final["f1/genre"] > 0.8


def test_a_weight_of_almost_nothing_leaves_the_language_model_alone(trained):
    light = [{**task, "weight": 1e-12} for task in TASKS]
    plain, aside = (
        training.variant(trained, name, stage=trained.stage.model_validate(
            {**trained.stage.model_dump(exclude_unset=True), "max_steps": 3, "tasks": tasks}))
        for name, tasks in (("plain", []), ("light", light))
    )  # fmt: skip
    training.run_here(plain, aside)
    assert training.losses(aside) == pytest.approx(training.losses(plain), abs=1e-6)
    assert heads_of(f"artifact:{plain.plan.id}", plain.artifacts) == ()
    assert training.losses(trained)[2] != pytest.approx(training.losses(plain)[2], abs=1e-5)


@pytest.mark.parametrize("micro_batch", [2, 8])
def test_micro_batch_and_accumulation_change_no_tasks_loss(trained, micro_batch):
    stage = trained.stage.model_copy(update={"micro_batch": micro_batch})
    job = training.variant(trained, f"micro-{micro_batch}", stage=stage)
    training.run_here(job)
    assert curves(job) == pytest.approx(curves(trained), abs=2e-4)


@pytest.mark.slow
def test_workers_and_zero_stages_change_no_tasks_loss(trained):
    """SGD-like steps: with Adam's usual epsilon a wrong scale of the tasks' gradients would hardly be seen."""
    stage = trained.stage.model_copy(update={"max_steps": 4, "epsilon": 1.0, "learning_rate": 1.0})
    alone = training.variant(trained, "alone", stage=stage)
    training.run_here(alone)
    jobs = [training.variant(alone, f"zero-{z}", scaling=ScalingSection(workers=2, zero=z)) for z in (0, 2, 3)]
    assert training.run(*jobs, world=2) == [0, 0]
    for job in jobs:
        assert curves(job) == pytest.approx(curves(alone), abs=1e-5)
        for ours, theirs in zip(*(heads_of(f"artifact:{j.plan.id}", j.artifacts) for j in (job, alone)), strict=True):
            assert ours.classes == theirs.classes
            torch.testing.assert_close(ours.weight, theirs.weight, atol=1e-5, rtol=0)
            assert theirs.weight.abs().max() > 1e-2


def test_a_tasks_share_of_the_loss_is_its_weight_times_the_mean_over_the_global_batchs_documents():
    sections = tuple(TaskSection.model_validate(task) for task in TASKS)
    step = Step(Tasks(sections, (("a", "b"), ("c", "d"))), np.array([4, 0]))
    language, others = step.split(torch.tensor([10.0, 3.0, 0.0]))
    assert (language.item(), others.item()) == (10.0, pytest.approx(0.5 * 3.0 / 4))
    step.split(torch.tensor([9.0, 1.0, 0.0]))
    assert step.figures() == {"loss/style": 1.0}  # nothing to say of a task without a labelled document


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_with_heads_resumes_bit_for_bit(trained, monkeypatch, precision):
    stage = trained.stage.model_copy(update={"max_steps": 4, "validate_every": 4, "precision": precision})
    whole, broken = (
        training.variant(trained, f"{name}-{precision}", stage=stage, checkpoint_every=2)
        for name in ("whole", "broken")
    )
    training.run_here(whole)
    step = Loop._step

    def fails_at_3(loop, number):
        if number == 3:
            raise RuntimeError("the power is off")
        return step(loop, number)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", fails_at_3)
        with pytest.raises(RuntimeError, match="power"):
            training.run_here(broken)
    training.run_here(broken)
    assert events(broken, "start")[-1]["from_step"] == 2
    assert curves(broken) == curves(whole)
    theirs = training.weights(whole)
    assert all(torch.equal(value, theirs[name]) for name, value in training.weights(broken).items())
    for one, other in zip(*(heads_of(f"artifact:{j.plan.id}", j.artifacts) for j in (broken, whole)), strict=True):
        assert torch.equal(one.weight, other.weight)
        assert torch.equal(one.bias, other.bias)


def test_plain_transformers_loads_the_folder_and_finds_no_heads_in_it(trained):
    from transformers import AutoModelForCausalLM

    artifact = trained.artifacts.get(trained.plan.id)
    _, report = AutoModelForCausalLM.from_pretrained(artifact.local(), output_loading_info=True, local_files_only=True)
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert artifact.counts["tasks"] == {"style": ["plain", "rich"], "genre": ["romance", "wuxia"]}
    assert {"heads/heads.json", "heads/heads.safetensors"} <= set(artifact.manifest.files)


def test_a_head_of_the_base_is_trained_on_and_one_that_is_not_named_is_kept(trained, adapted):
    assert events(adapted, "train")[0]["loss/style"] < 0.6  # it goes on from what it knew
    before, after = (
        {head.name: head for head in heads_of(f"artifact:{job.plan.id}", job.artifacts)} for job in (trained, adapted)
    )
    assert list(after) == ["style", "genre"]
    assert not torch.equal(after["style"].weight, before["style"].weight)
    assert torch.equal(after["genre"].weight, before["genre"].weight)


def test_heads_lie_beside_the_adapter_and_the_adapter_still_merges(adapted):
    files = set(adapted.artifacts.get(adapted.plan.id).manifest.files)
    assert {"adapter_model.safetensors", "heads/heads.safetensors"} <= files
    assert all(".lora_" in name for name in training.weights(adapted))
    load_model(f"artifact:{adapted.plan.id}", adapted.artifacts, torch.float32)


@pytest.mark.parametrize("which", ["trained", "adapted"])
def test_evaluation_measures_what_the_last_validation_measured(request, which):
    from novelray.evaluate.heads import head_scores

    job = request.getfixturevalue(which)
    source = f"artifact:{job.plan.id}"
    model = load_model(source, job.artifacts, torch.float32)
    encoder = Encoder.of(load_tokenizer(job.artifacts.get(job.plan.id).local()))
    shards = job.artifacts.get(job.shards).local()
    asked, texts = ["heldout:0", "heldout:1", "heldout:4"], ["风，雨，江", "马，雪，楼", ""]
    scores = head_scores(
        model, encoder, heads_of(source, job.artifacts), open_rows(shards, "heldout"), open_chapters(shards), 100,
        [{"text": text} for text in texts], asked,
    )  # fmt: skip
    final = events(job, "validation")[-1]
    assert scores["accuracy_style"] == pytest.approx(final["accuracy/style"], abs=1e-4)
    assert scores["f1_style"] == pytest.approx(final["f1/style"], abs=1e-4)
    assert scores["generated_style"] == 1.0  # of the two texts whose chapters have a style
    assert [sample["labels"].get("style") for sample in scores["samples"]] == ["plain", "rich", None]


def test_a_task_without_two_classes_ends_the_stage_with_a_sentence(trained):
    from novelray.errors import TrainError

    stage = trained.stage.model_validate(
        {**trained.stage.model_dump(exclude_unset=True), "tasks": [{"name": "who", "label": "author"}]}
    )
    with pytest.raises(TrainError, match=r"'who' learns the label 'author', .* none") as caught:
        training.run_here(dataclasses.replace(training.variant(trained, "one"), stage=stage))
    assert "train.tasks" in caught.value.hint

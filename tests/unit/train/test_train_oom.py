"""Out of memory: told with what was asked for and what to change, not retried, and nothing that was committed lost."""

from __future__ import annotations

import multiprocessing
import resource
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import training
from support.families import tiny_folder

from novelray.errors import EXIT_USER, CapacityError, ModelError
from novelray.train.job import Place
from novelray.train.oom import out_of_memory


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    from novelray.storage import Artifacts, Store

    folder = tmp_path_factory.mktemp("oom")
    return training.tiny_job(Artifacts(Store(str(folder / "store"))), folder, micro_batch=8)


def no_memory():
    """What torch really raises when there is none."""
    try:
        torch.empty(1 << 60, dtype=torch.uint8)
    except RuntimeError as error:
        return error
    raise AssertionError("an exbyte of memory?")


@pytest.mark.parametrize("error", [no_memory(), torch.OutOfMemoryError("CUDA out of memory. Tried."), MemoryError()])
def test_an_allocation_that_fails_is_told_with_the_estimate_and_the_first_change_that_helps(job, error):
    told = out_of_memory(error, job, Place())
    assert isinstance(told, CapacityError)
    assert told.exit_code == EXIT_USER, "another try would meet it again"
    assert "Stage 'main' ran out of memory on cpu: about" in told.message
    assert "activations" in told.message
    assert "train.micro_batch: " in told.hint
    assert "last commit is kept" in told.hint


def test_other_errors_are_left_alone(job):
    assert out_of_memory(RuntimeError("shape mismatch"), job, Place()) is None
    assert out_of_memory(ValueError("out of memory"), job, Place()) is None


def test_an_adapter_on_a_model_in_a_folder_is_told_by_that_models_shape(job, tmp_path):
    base = tiny_folder("deepseek_v2", tmp_path / "base")
    lora = job.stage.model_copy(update={"method": "lora", "micro_batch": 2})
    told = out_of_memory(MemoryError(), replace(job, source=f"folder:{base}", stage=lora), Place())
    assert "train.micro_batch: 1" in told.hint


def test_a_model_whose_shape_is_not_known_gets_the_usual_advice(job, tmp_path):
    told = out_of_memory(MemoryError(), replace(job, source=f"folder:{tmp_path}"), Place())
    assert "train.micro_batch 8 and shards.context 64" in told.message
    assert "train.activation_checkpointing" in told.hint


def test_what_other_programs_hold_of_a_gpu_is_not_counted_on(job, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1 << 20, 80 << 30))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 8 << 20)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    told = out_of_memory(torch.OutOfMemoryError("CUDA out of memory."), job, Place(device="cuda:0"))
    assert "on cuda:0 (9.0 MiB)" in told.message


def test_ray_does_not_try_it_again(job):
    from ray.train.v2.api.exceptions import WorkerGroupError

    from novelray.onray.train import failure_of

    told = out_of_memory(MemoryError(), job, Place())
    assert failure_of(WorkerGroupError("lost", {0: told})) is told


def starve(job, queue):
    """A worker whose memory ends a little above what it has after its first commit."""
    import os

    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", DS_ACCELERATOR="cpu", DS_LOG_LEVEL="error")
    torch.set_num_threads(1)
    from novelray.train import loop
    from novelray.train.stage import run_stage

    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    step = loop.Loop._step

    def step_with_little(self, number):
        if number == 3:  # after the commit of step 2
            self.committer.wait()
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (4 << 20),) * 2)
        return step(self, number)

    loop.Loop._step = step_with_little
    try:
        run_stage(job, Place())
    except BaseException as error:
        queue.put((type(error).__name__, str(error)))
    else:
        queue.put(("nothing", ""))


@pytest.mark.slow
def test_a_worker_that_runs_out_of_memory_says_so_and_its_commits_are_there(job):
    from novelray.checkpoints.commit import latest

    wide = job.stage.model_copy(update={"micro_batch": 32, "global_batch": 32, "max_steps": 8})
    starved = training.variant(job, "starved", stage=wide)
    spawn = multiprocessing.get_context("spawn")
    queue = spawn.SimpleQueue()
    worker = spawn.Process(target=starve, args=(starved, queue))
    worker.start()
    kind, said = queue.get()
    worker.join(60)
    assert kind == "CapacityError", said
    assert "train.micro_batch: " in said
    assert latest(starved.artifacts.store, starved.run).step >= 2


def test_rows_with_ids_that_the_model_does_not_know_end_a_run_before_its_first_step(job, tmp_path):
    small = tiny_folder("llama", tmp_path / "small", vocab_size=300)
    unknown = replace(training.variant(job, "unknown"), source=f"folder:{small}")
    with pytest.raises(ModelError, match=r"token id \d+, and the model's vocabulary has 300 tokens") as caught:
        training.run_here(unknown)
    assert caught.value.exit_code == EXIT_USER
    assert caught.value.hint
    assert training.losses(unknown) == []
    assert not unknown.artifacts.store.folders(f"{unknown.run}/checkpoints")


def test_a_misfit_of_base_and_adapter_ends_a_run_before_its_first_step(job, tmp_path):
    base = tiny_folder("llama", tmp_path / "base")
    (base / "config.json").write_text(
        (base / "config.json").read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 1')
    )
    misfit = replace(training.variant(job, "misfit"), source=f"folder:{base}")
    with pytest.raises(ModelError, match="has no place in it"):
        training.run_here(misfit)
    assert training.losses(misfit) == []

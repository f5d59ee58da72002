"""Training on packed rows as a GPU does it: the same losses, and no step that waits for the device."""

import numpy as np
import pytest
import torch
from support import training
from support.families import tiny_folder
from torch.utils._python_dispatch import TorchDispatchMode

from novelray.models import packed
from novelray.models.load import from_folder
from novelray.shards.rows import open_rows
from novelray.train import objective, setup
from novelray.train.inputs import on_device
from novelray.train.objective import NextTokenLoss

WAITING = ("local_scalar", "nonzero", "is_nonzero", "equal.default", "masked_select", "unique")
"""Operators whose result the host has to read, or whose size."""


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return training.llama_job(tmp_path_factory.mktemp("packed"))


@pytest.mark.slow
def test_losses_are_those_of_the_dense_mask_in_full_lora_and_recomputed(job, monkeypatch):
    ways = {
        "full": {},
        "lora": {"method": "lora", "learning_rate": 1e-2},
        "recomputed": {"activation_checkpointing": True, "micro_batch": 4},
    }
    jobs = {
        (name, attention): training.variant(job, f"{name} {attention}", stage=job.stage.model_copy(update=changes))
        for name, changes in ways.items()
        for attention in ("dense", "packed")
    }
    training.run_here(*(one for (_, attention), one in jobs.items() if attention == "dense"))
    used = []
    monkeypatch.setattr(setup, "flash_fits", lambda *_: True)
    monkeypatch.setattr(setup, "flash_works", lambda device: True)
    monkeypatch.setattr(setup, "use_packed", lambda model: used.append(packed.use_packed(model)))
    training.run_here(*(one for (_, attention), one in jobs.items() if attention == "packed"))
    assert used == [True] * 3
    for name in ways:
        found, expected = (training.losses(jobs[name, attention]) for attention in ("packed", "dense"))
        assert found == pytest.approx(expected, abs=1e-5), name


@pytest.mark.parametrize("big", [False, True], ids=["logits whole", "logits in chunks"])
def test_a_micro_batch_never_waits_for_the_device(big, job, tmp_path, monkeypatch):
    called = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    def kernel(q, k, v, bounds, scale):  # as the flash kernel: where documents end is read on the device
        return torch.nn.functional.scaled_dot_product_attention(
            *(x.transpose(0, 1) for x in (q, k, v)), is_causal=True, scale=scale, enable_gqa=True
        ).transpose(0, 1)

    monkeypatch.setattr(packed, "_each", kernel)
    monkeypatch.setattr(objective, "BIG_VOCABULARY", 1 if big else 10**9)
    monkeypatch.setattr(objective, "CHUNK", 50)
    model = from_folder(tiny_folder("llama", tmp_path), torch.float32)
    packed.use_packed(model)
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    inputs = on_device(rows, np.array([0, 1, -1]), "cpu")
    module = NextTokenLoss(model)
    module(*inputs).backward()  # what is made once is made
    with Watch():
        module(*inputs).backward()
        module(*inputs, each=True)
    assert any("cross_entropy" in name or "log_softmax" in name for name in called)
    assert not [name for name in called if any(word in name for word in WAITING)]


def test_what_is_counted_on_the_host_is_what_the_device_would_count(job, tmp_path):
    rows = open_rows(job.artifacts.get(job.shards).local(), "train")
    inputs = on_device(rows, np.array([2, -1, 0]), "cpu")
    module = NextTokenLoss(from_folder(tiny_folder("llama", tmp_path), torch.float32))
    told, counted = module(*inputs), module(*inputs[:3])
    assert torch.equal(told, counted)
    each = module(*inputs, each=True)
    assert torch.equal(each != 0, inputs.mask & (torch.arange(inputs.mask.shape[1]) > 0))
    torch.testing.assert_close(each.sum(), told)

"""A prefix from training to what is made of it: measured as it was trained, exported for PEFT, and never trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support import methods, training

from novelray.checkpoints.delivery import Delivery, deliver
from novelray.errors import ModelError
from novelray.evaluate.score import held_out_loss
from novelray.generate.lora import Adapters
from novelray.models.load import load_model
from novelray.shards.rows import open_rows

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["prefix", "projected prefix"])
def trained(request, tmp_path_factory):
    common = methods.tiny_base(tmp_path_factory.mktemp("prefix"))
    job = methods.of(common, request.param)
    training.run_here(job)
    return job


def test_what_is_evaluated_is_what_was_trained(trained):
    model = load_model(f"artifact:{trained.plan.id}", trained.artifacts, torch.float32)
    rows = open_rows(trained.artifacts.get(trained.shards).local(), "heldout")
    loss, tokens = held_out_loss(model, rows, trained.stage.validation_rows)
    assert loss / tokens == pytest.approx(training.progress(trained)["validation_loss"], abs=1e-4)


def test_it_is_exported_as_an_adapter_and_as_nothing_else(trained, tmp_path):
    said: list[str] = []
    folder = deliver(trained.artifacts, Delivery(trained.plan.id, "name", "adapter", tmp_path / "out"), said.append)
    assert (Path(folder) / "adapter_model.safetensors").is_file()
    with pytest.raises(ModelError, match=r"PREFIX_TUNING, which is no change of the base's weights"):
        deliver(trained.artifacts, Delivery(trained.plan.id, "name", "merged", tmp_path / "merged"), said.append)


def test_no_stage_goes_on_from_it_and_no_engine_loads_it_beside_others(trained):
    after = training.variant(trained, "after", source=f"artifact:{trained.plan.id}")
    with pytest.raises(ModelError, match="a frozen base with a prefix"):
        training.run_here(replace(after, stage=after.stage.model_copy(update={"method": "full"})))
    base = load_model(trained.source, trained.artifacts, torch.float32)
    with pytest.raises(ModelError, match="PREFIX_TUNING, which the engines do not compute"):
        Adapters(base, exact=True).load("a", str(trained.artifacts.get(trained.plan.id).local()))

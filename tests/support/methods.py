"""Every method of training, by the words that a recipe says, on a model small enough to try them all."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from support import training
from support.families import tiny_folder

from novelray.recipe.model import ModelSection
from novelray.recipe.train import StageSection
from novelray.storage import Artifacts, Store
from novelray.train.job import Job

METHODS = {
    "full": {"method": "full"},
    "frozen layers": {"method": "full", "freeze_layers": 1},
    "lora": {"method": "lora"},
    "rslora": {"method": "lora", "lora": {"rslora": True}},
    "dora": {"method": "lora", "lora": {"dora": True}},
    "pissa": {"method": "lora", "lora": {"init": "pissa", "rank": 4}},
    "lora+": {"method": "lora", "lora": {"loraplus": 4.0}},
    "prefix": {"method": "prefix", "prefix": {"tokens": 4}},
    "projected prefix": {"method": "prefix", "prefix": {"tokens": 3, "projection": 8}},
    "all of lora": {
        "method": "lora",
        "lora": {"rslora": True, "dora": True, "init": "pissa", "loraplus": 2.0, "rank": 4, "dropout": 0.1},
    },
}
QUANTISED = {
    "qlora": {"method": "qlora"},
    "qlora 8": {"method": "qlora", "bits": 8},
    "qlora with dora": {"method": "qlora", "lora": {"dora": True, "rank": 4}},
}
if find_spec("bitsandbytes"):
    METHODS |= QUANTISED


def tiny_base(folder: Path) -> Job:
    """A stage on a tiny Llama; `of` makes that of a method from it."""
    base = tiny_folder("llama", folder / "base")
    job = training.tiny_job(
        Artifacts(Store(str(folder / "store"))), folder, max_steps=4, validate_every=4, global_batch=4, micro_batch=2,
        learning_rate=1e-2,
    )  # fmt: skip
    return replace(job, source=f"folder:{base}", model=ModelSection(base=str(base)))


def of(common: Job, name: str, run: str = "", **changes: Any) -> Job:
    """The stage with a method of the table, as a run of its own."""
    stage = StageSection.model_validate({**common.stage.model_dump(exclude_unset=True), **METHODS[name]})
    return training.variant(common, name + run, stage=stage, **changes)

"""From a replica's settings to the folder that vLLM is given."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from support.engines import TOKENIZER, ids, make_adapter, plain_loop
from support.tiny_models import make_model
from transformers import AutoModelForCausalLM

from novelray.errors import ModelError, NovelRayError
from novelray.models.source import digest_of_source
from novelray.onray.replica import ReplicaSettings
from novelray.storage import Plan
from serve.engine import load_engine, whole_model


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    make_model(TOKENIZER).save_pretrained(folder)
    TOKENIZER.save_pretrained(folder)
    return folder


def settings(source, root="", **more):
    return ReplicaSettings(source=source, version="a@1", storage={"root": str(root)} if root else {}, **more)


def test_a_whole_model_is_served_from_its_own_folder_and_an_adapter_merged_once(base, tmp_path, artifacts, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "home"))
    assert whole_model(settings(f"folder:{base}"), artifacts) == base
    adapted = make_adapter(tmp_path / "adapter", make_model(TOKENIZER), 3)
    TOKENIZER.save_pretrained(tmp_path / "adapter")
    source = f"folder:{base}"
    record = {"source": source, "digest": digest_of_source(source)}
    (tmp_path / "adapter" / "base.json").write_text(json.dumps(record))
    draft = artifacts.begin(Plan("model", 1, {}, {"seed": 1}))
    draft.add_folder(tmp_path / "adapter")
    asked = settings(f"artifact:{draft.commit().id}", artifacts.store.uri)
    folder = whole_model(asked, artifacts)
    merged = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    assert (folder / "tokenizer.json").is_file()
    assert plain_loop(merged, ids("话说"), 3) == plain_loop(adapted.float(), ids("话说"), 3)
    monkeypatch.delattr("serve.engine._write_merged")
    assert whole_model(asked, artifacts) == folder, "not merged again"


def test_vllm_is_asked_for_by_name_and_refused_on_a_cpu_and_without_its_package(base, monkeypatch):
    with pytest.raises(ModelError, match="GPUs only"):
        load_engine(settings(f"folder:{base}", device="cpu", serve={"engine": "vllm"}))
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(NovelRayError, match="vllm"):
        load_engine(settings(f"folder:{base}", device="gpu", serve={"engine": "vllm"}))

"""Weights that do not fit their configuration, and adapters that do not fit their base: named, with both shapes."""

import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.families import tiny_folder

from novelray.checkpoints.export import adapted_modules, export_adapter
from novelray.errors import EXIT_USER, ModelError
from novelray.models.adapters import adapter_config, add_lora, merge
from novelray.models.load import BASE_FILE, base_of, from_folder
from novelray.models.source import checked_folder
from novelray.recipe.train import LoraSection


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "model"))


def edit(folder, name="config.json", **changes):
    path = folder / name
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def split(folder):
    """The weights in two files with an index, as large models have them."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(weights)
    halves = {"model-00001-of-00002.safetensors": names[:10], "model-00002-of-00002.safetensors": names[10:]}
    for file, part in halves.items():
        save_file({name: weights[name] for name in part}, folder / file, metadata={"format": "pt"})
    weight_map = {name: file for file, part in halves.items() for name in part}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def refused(work):
    with pytest.raises(ModelError) as caught:
        work()
    assert caught.value.exit_code == EXIT_USER
    assert caught.value.hint
    return caught.value.message


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_size": 64}, "model.embed_tokens.weight is 400 × 32, and vocab_size and hidden_size make it 400 × 64"),
        ({"vocab_size": 500}, "make it 500 × 32"),
    ],
)
def test_a_config_of_another_size_is_told_from_the_files_headers_alone(folder, changes, says):
    edit(folder, **changes)
    assert says in refused(lambda: checked_folder(folder))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"intermediate_size": 48}, "model.layers.0.mlp.down_proj.weight is 32 × 64 and would be 32 × 48, and 5 more"),
        ({"num_hidden_layers": 3}, "model.layers.2.input_layernorm.weight is missing, and 8 more"),
        ({"num_hidden_layers": 1}, "model.layers.1.input_layernorm.weight has no place in it, and 8 more"),
        ({"model_type": "qwen2"}, "model.layers.0.self_attn.k_proj.bias is missing"),
        ({"num_attention_heads": 3}, "not a multiple of the number of attention heads"),
        ({"num_hidden_layers": "many"}, "expected int"),
    ],
)
def test_a_config_for_other_weights_is_told_with_the_first_of_them(folder, changes, says):
    edit(folder, **changes)
    assert says in refused(lambda: from_folder(folder, torch.float32))


def test_what_old_files_hold_and_is_computed_is_no_misfit(folder):
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    from_folder(folder, torch.float32)


def test_a_file_cut_short_is_told_with_what_it_has_and_what_belongs_to_it(folder):
    size = (folder / "model.safetensors").stat().st_size
    os.truncate(folder / "model.safetensors", size - 100)
    assert f"it has {size - 100:,} bytes, and {size:,} belong to it" in refused(lambda: checked_folder(folder))
    os.truncate(folder / "model.safetensors", 20)
    assert "no safetensors file" in refused(lambda: checked_folder(folder))


def test_an_index_that_names_a_file_that_is_not_there_is_told_with_its_name(folder):
    split(folder)
    from_folder(folder, torch.float32)
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "names 2 files, and model-00002-of-00002.safetensors is not there" in refused(lambda: checked_folder(folder))
    (folder / "model.safetensors.index.json").write_text("{}")
    assert "index.json does not parse" in refused(lambda: checked_folder(folder))


def test_weights_under_a_name_that_is_not_loaded_are_told(folder):
    (folder / "model.safetensors").rename(folder / "weights.safetensors")
    assert "has weights.safetensors, and neither model.safetensors" in refused(lambda: checked_folder(folder))


def test_a_peft_folder_as_a_base_is_told_to_be_one_and_whose(tmp_path):
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "some/base-7b"}))
    assert "is an adapter (PEFT) on some/base-7b" in refused(lambda: checked_folder(tmp_path))


@pytest.fixture
def adapter_for(tmp_path):
    """The folder of an adapter trained on a base of another shape."""

    def make(**shape):
        base = from_folder(tiny_folder("llama", tmp_path / "theirs", **shape), torch.float32)
        adapted = add_lora(base, LoraSection(rank=4))
        weights = [(f"weight/{n}", p.detach() + 0.1) for n, p in adapted.named_parameters() if p.requires_grad]
        targets = adapted_modules(name for name, _ in weights)
        export_adapter(weights, adapter_config(LoraSection(rank=4), targets), tmp_path / "adapter")
        edit(tmp_path / "adapter", "adapter_config.json", base_model_name_or_path="some/base-7b")
        return tmp_path / "adapter"

    return make


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"hidden_size": 64}, "model.layers.0.mlp.down_proj is 32 × 64 in the base, and base_model.model.model"),
        ({"num_hidden_layers": 4}, "it has weights for model.layers.2.mlp.down_proj, which the base does not have"),
    ],
)
def test_an_adapter_of_another_base_is_told_by_layer_and_shapes_and_by_what_it_was_trained_on(
    folder, adapter_for, shape, says
):
    adapter = adapter_for(**shape)
    said = refused(lambda: merge(from_folder(folder, torch.float32), adapter))
    assert says in said
    assert "trained on some/base-7b" in said


def test_an_adapter_cut_short_or_whose_config_is_torn_is_told(folder, adapter_for):
    adapter = adapter_for()
    merge(from_folder(folder, torch.float32), adapter)
    edit(adapter, "adapter_config.json", r=2)
    assert "does not fit this base" in refused(lambda: merge(from_folder(folder, torch.float32), adapter))
    (adapter / "adapter_config.json").write_text("{")
    assert "does not fit this base" in refused(lambda: merge(from_folder(folder, torch.float32), adapter))
    os.truncate(adapter / "adapter_model.safetensors", 500)
    assert "no safetensors file" in refused(lambda: merge(from_folder(folder, torch.float32), adapter))


def test_an_adapter_that_does_not_say_its_base_is_told_and_not_tried(tmp_path):
    assert "does not say which base" in refused(lambda: base_of(tmp_path))
    (tmp_path / BASE_FILE).write_text("[]")
    assert "does not say which base" in refused(lambda: base_of(tmp_path))

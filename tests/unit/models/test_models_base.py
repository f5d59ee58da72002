"""What `model.base` may be, and what a base that is not there, not whole or not safe is told."""

import json
import os
import shutil
import socket
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from support.families import tiny_folder

from novelray.errors import ModelError
from novelray.models.load import from_folder
from novelray.models.source import check_context, checked_folder, digest_of_source, resolve
from novelray.recipe.model import ModelSection
from novelray.recipe.train import LoraSection


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return tiny_folder("llama", tmp_path_factory.mktemp("base"))


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "model"))


@pytest.fixture
def no_network(monkeypatch):
    """Nothing may be looked up or connected to, not even by somebody who then hides that it failed."""
    touched = []

    def refuse(*args, **options):
        touched.append(args)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert touched == []


def edit(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_local_folder_is_a_base(folder, no_network):
    assert resolve(ModelSection(base=str(folder))) == f"folder:{folder}"
    assert from_folder(folder, torch.float32).config.model_type == "llama"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("/nowhere/model", r"There is no model folder /nowhere/model"),
        ("scratch:nona", r"no scratch model 'nona'.*\n.*scratch:nano"),
        ("nobody/nothing-7b", r"'nobody/nothing-7b' is not in the local cache"),
    ],
)
def test_a_base_that_is_not_there_is_named_and_nothing_is_looked_up(base, message, no_network, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=message):
        resolve(ModelSection(base=base))


def test_a_missing_hub_id_says_how_to_fetch_it_or_do_without(no_network):
    with pytest.raises(ModelError) as caught:
        resolve(ModelSection(base="nobody/nothing-7b"))
    assert "model.download: true" in caught.value.hint
    assert "scratch:nano" in caught.value.hint


def test_a_modelscope_id_without_the_package_names_the_extra_and_with_it_is_not_fetched(no_network):
    with pytest.raises(ModelError) as caught:
        resolve(ModelSection(base="nobody/nothing-7b", hub="modelscope"))
    assert "novelray[modelscope]" in caught.value.hint or "not in the local cache" in caught.value.message


def test_weights_that_can_run_code_are_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no \*\.safetensors weights") as caught:
        resolve(ModelSection(base=str(folder)))
    assert "run code" in caught.value.hint


def test_a_model_with_code_of_its_own_is_refused_unless_it_is_trusted(folder):
    edit(folder, auto_map={"AutoModelForCausalLM": "evil.Model"})
    (folder / "evil.py").write_text(f"open({str(folder / 'ran')!r}, 'w')\nclass Model: pass\n")
    for ask in (lambda: resolve(ModelSection(base=str(folder))), lambda: from_folder(folder, torch.float32)):
        with pytest.raises(ModelError, match="needs Python code of its own") as caught:
            ask()
        assert "model.trust_remote_code" in caught.value.hint
    assert not (folder / "ran").exists()
    assert checked_folder(folder, trust_remote_code=True) == folder


def test_a_folder_that_is_no_model_says_what_it_lacks(tmp_path, folder):
    with pytest.raises(ModelError, match=r"has no config\.json"):
        resolve(ModelSection(base=str(tmp_path)))
    (folder / "config.json").write_text("{torn")
    with pytest.raises(ModelError, match=r"config\.json does not parse"):
        resolve(ModelSection(base=str(folder)))


@pytest.mark.parametrize("harm", ["missing", "mismatched", "torn", "not an architecture"])
def test_weights_that_do_not_fit_the_config_are_told_and_not_made_up(folder, harm):
    weights, name = load_file(folder / "model.safetensors"), "model.layers.1.mlp.up_proj.weight"
    if harm == "missing":
        del weights[name]
    elif harm == "mismatched":
        weights[name] = weights[name][:5].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    if harm == "torn":
        os.truncate(folder / "model.safetensors", 4000)
    elif harm == "not an architecture":
        edit(folder, model_type="no_such_thing")
    with pytest.raises(ModelError) as caught:
        from_folder(folder, torch.float32)
    assert str(folder) in caught.value.message
    assert caught.value.hint
    if harm in ("missing", "mismatched"):
        assert name in caught.value.message


def test_the_identity_of_a_base_is_its_content_and_not_its_place(folder, tmp_path):
    before = digest_of_source(f"folder:{folder}")
    assert digest_of_source(f"folder:{shutil.copytree(folder, tmp_path / 'copy')}") == before
    (folder / "README.md").write_text("words about it")
    assert digest_of_source(f"folder:{folder}") == before
    edit(folder, rope_theta=20_000.0)
    assert digest_of_source(f"folder:{folder}") != before


def test_rows_longer_than_the_base_reads_are_told_from_its_config_alone(folder):
    check_context(folder, 256)
    with pytest.raises(ModelError, match=r"257 tokens and the base model .* reads 256") as caught:
        check_context(folder, 257)
    assert "at most 256" in caught.value.hint


def test_a_lora_target_that_the_model_lacks_is_answered_with_those_it_has(folder):
    from novelray.models.adapters import add_lora

    with pytest.raises(ModelError, match="qkv_proj") as caught:
        add_lora(from_folder(folder, torch.float32), LoraSection(targets=("qkv_proj",)))
    assert "q_proj" in caught.value.hint
    with pytest.raises(ModelError, match="'qkv_proj'"):
        add_lora(from_folder(folder, torch.float32), LoraSection(targets=("qkv_proj", "q_proj")))


def test_lora_targets_are_what_the_recipe_names_and_never_the_head(folder):
    from novelray.models.adapters import add_lora

    for targets, expected in ((("q_proj", "mlp.up_proj"), {"q_proj", "up_proj"}), ("all-linear", None)):
        adapted = add_lora(from_folder(folder, torch.float32), LoraSection(targets=targets))
        modules = {n.split(".lora_")[0] for n, p in adapted.named_parameters() if p.requires_grad}
        assert len(modules) == (4 if expected else 14)
        assert expected is None or {m.rpartition(".")[2] for m in modules} == expected
        assert "lm_head" not in modules


def test_a_fresh_adapter_changes_nothing_and_alone_is_trained(folder):
    from novelray.models.adapters import add_lora

    model, ids = from_folder(folder, torch.float32).eval(), torch.arange(20)[None]
    before = model(ids).logits
    adapted = add_lora(model, LoraSection(rank=4)).eval()
    assert torch.equal(adapted(ids).logits, before)
    trained = {n for n, p in adapted.named_parameters() if p.requires_grad}
    assert trained
    assert all("lora_" in n and "lm_head" not in n for n in trained)


def test_an_adapter_of_another_shape_is_an_error_and_not_a_silent_half(folder, tmp_path):
    from novelray.checkpoints.export import adapted_modules, export_adapter
    from novelray.models.adapters import adapter_config, add_lora, merge

    wide = add_lora(from_folder(tiny_folder("llama", tmp_path / "wide", hidden_size=64), torch.float32), LoraSection())
    weights = [(f"weight/{n}", p.detach()) for n, p in wide.named_parameters() if p.requires_grad]
    targets = adapted_modules([n for n, _ in weights])
    export_adapter(weights, adapter_config(LoraSection(), targets), tmp_path / "adapter")
    with pytest.raises(ModelError, match="does not fit this base"):
        merge(from_folder(folder, torch.float32), tmp_path / "adapter")
    (tmp_path / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError):
        merge(from_folder(folder, torch.float32), tmp_path / "adapter")


def test_in_a_mixture_of_experts_the_attention_is_adapted_and_the_experts_are_left_alone(tmp_path):
    from novelray.models.adapters import add_lora

    base = tiny_folder("deepseek_v3", tmp_path / "moe")
    adapted = add_lora(from_folder(base, torch.float32), LoraSection())
    assert {n.split(".")[3] for n, p in adapted.named_parameters() if p.requires_grad} == {"self_attn"}
    with pytest.raises(ModelError, match="'up_proj'") as caught:
        add_lora(from_folder(base, torch.float32), LoraSection(targets=("up_proj",)))
    assert "o_proj" in caught.value.hint

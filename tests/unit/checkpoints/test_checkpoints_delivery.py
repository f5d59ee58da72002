"""`novelray export`: what goes out gives the same numbers when others read it, and a failure leaves nothing."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from support.delivering import keep, shelf, tokenizer_like
from support.families import tiny_folder

from novelray.checkpoints import delivery
from novelray.checkpoints.compare import TEXT
from novelray.checkpoints.delivery import Delivery, base_name, deliver
from novelray.cli.main import main
from novelray.errors import DamagedError, DiskFullError, ModelError, NovelRayError
from novelray.models.load import BASE_FILE
from novelray.models.source import digest_of_source
from novelray.registry import Registry


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return shelf(tmp_path_factory.mktemp("delivery"), "llama", tokenizer_like("llama-bpe"))


def send(made, model, form, to, dtype=None):
    lines = []
    deliver(made.artifacts, Delivery(model.id, "tale@0123456789ab", form, to, dtype), lines.append)
    return lines


def logits(model, folder):
    from transformers import AutoTokenizer

    ids = AutoTokenizer.from_pretrained(folder)(TEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return model.eval()(ids).logits


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_merged_adapter_loads_as_a_plain_model_with_the_logits_of_base_and_adapter(made, tmp_path):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    send(made, made.lora, "merged", tmp_path / "out")
    merged = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "out"), tmp_path / "out")
    base = AutoModelForCausalLM.from_pretrained(made.base)
    plain = logits(base, made.base)
    both = logits(PeftModel.from_pretrained(base, made.lora.local()), made.base)
    torch.testing.assert_close(merged, both, atol=1e-3, rtol=0)
    assert not torch.allclose(merged, plain, atol=0.1)
    assert {"generation_config.json", "tokenizer.json", "chat_template.jinja"} <= set(left_in(tmp_path / "out"))


def test_a_full_model_goes_out_in_the_number_format_that_is_asked_for(made, tmp_path):
    from transformers import AutoModelForCausalLM

    lines = send(made, made.full, "merged", tmp_path / "out", "bf16")
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert {p.dtype for p in model.parameters()} == {torch.bfloat16}
    assert "logits differ by" in lines[-1]


@pytest.mark.slow
def test_an_adapter_goes_out_with_the_name_of_its_base_and_peft_puts_the_two_together(made, tmp_path):
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    send(made, made.lora, "adapter", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(made.base)
    assert BASE_FILE not in left_in(tmp_path / "out")
    send(made, made.lora, "merged", tmp_path / "merged")
    merged = logits(AutoModelForCausalLM.from_pretrained(tmp_path / "merged"), made.base)
    put_together = AutoPeftModelForCausalLM.from_pretrained(str(tmp_path / "out"))
    torch.testing.assert_close(logits(put_together, made.base), merged, atol=1e-3, rtol=0)


def test_the_base_from_a_hub_is_called_by_its_id_and_revision(made, tmp_path):
    snapshot = tmp_path / "hub" / "models--some--base-7b" / "snapshots" / "abc123"
    shutil.copytree(made.base, snapshot)
    adapter = Path(shutil.copytree(made.lora.local(), tmp_path / "adapter"))
    source = f"folder:{snapshot}"
    (adapter / BASE_FILE).write_text(json.dumps({"source": source, "digest": digest_of_source(source)}))
    assert base_name(adapter, made.artifacts) == ("some/base-7b", "abc123")


@pytest.mark.slow
def test_an_adapter_on_an_adapter_goes_out_merged_and_not_alone(made, tmp_path):
    adapter = Path(shutil.copytree(made.lora.local(), tmp_path / "adapter"))
    (adapter / BASE_FILE).write_text(json.dumps({"source": f"artifact:{made.lora.id}", "digest": made.lora.id}))
    stacked = keep(made.artifacts, adapter, "stacked")
    with pytest.raises(ModelError, match="is an adapter itself") as caught:
        send(made, stacked, "adapter", tmp_path / "out")
    assert "--format merged" in caught.value.hint
    send(made, stacked, "merged", tmp_path / "out")


@pytest.mark.slow
def test_a_folder_with_something_in_it_is_never_written_to(made, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(NovelRayError, match="exists and is not empty"):
        send(made, made.full, "merged", tmp_path / "out")
    assert left_in(tmp_path / "out") == ["mine.txt"]
    (tmp_path / "empty").mkdir()
    send(made, made.full, "merged", tmp_path / "empty")


@pytest.mark.parametrize(
    ("model", "form", "dtype", "says"),
    [
        ("full", "adapter", None, "is no adapter"),
        ("full", "merged", "q8_0", "is a format of GGUF"),
        ("lora", "adapter", "bf16", "kept in fp32"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_loaded(
    made, tmp_path, monkeypatch, model, form, dtype, says
):
    monkeypatch.setattr(delivery, "load_model", None)
    with pytest.raises(NovelRayError, match=says):
        send(made, getattr(made, model), form, tmp_path / "out", dtype)
    assert left_in(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"rope": {"type": "linear", "factor": 2.0}, "attention": {"type": "full"}}, "model.rope,"),
        ({"rope": None, "attention": {"type": "sparse", "block": 16}}, "model.attention,"),
    ],
)
def test_an_adapter_on_other_positions_or_attention_does_not_go_out_alone(made, tmp_path, changes, named):
    adapter = tmp_path / "adapter"
    shutil.copytree(made.artifacts.get(made.lora.id).local(), adapter)
    record = json.loads((adapter / BASE_FILE).read_text("utf-8"))
    (adapter / BASE_FILE).write_text(json.dumps({**record, "changes": changes}), "utf-8")
    with pytest.raises(ModelError, match=named) as caught:
        send(made, keep(made.artifacts, adapter, named), "adapter", tmp_path / "out")
    assert "merged" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_folders_within_what_goes_out_can_be_entered(tmp_path):
    """As the heads of a model are, beside its weights."""
    with delivery._in_place(tmp_path / "out") as scratch:
        (scratch / "heads").mkdir()
        (scratch / "heads" / "heads.json").write_text("{}")
    assert (tmp_path / "out" / "heads").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out" / "heads" / "heads.json").stat().st_mode & 0o777 == 0o644


def test_a_kind_of_adapter_that_changes_no_weights_goes_out_alone(made, tmp_path):
    adapter = Path(shutil.copytree(made.lora.local(), tmp_path / "adapter"))
    (adapter / "adapter_config.json").write_text(json.dumps({"peft_type": "PREFIX_TUNING"}))
    prefix = keep(made.artifacts, adapter, "prefix")
    with pytest.raises(ModelError, match="PREFIX_TUNING") as caught:
        send(made, prefix, "merged", tmp_path / "out")
    assert "--format adapter" in caught.value.hint


def test_a_copy_with_another_number_is_an_error_and_leaves_nothing(made, tmp_path, monkeypatch):
    """Of a token that the text for the logits does not have."""
    from transformers import PreTrainedModel

    save = PreTrainedModel.save_pretrained

    def save_wrong(model, *args, **options):
        with torch.no_grad():
            model.get_input_embeddings().weight[5] += 1.0
        save(model, *args, **options)

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", save_wrong)
    with pytest.raises(DamagedError, match=r"1 other weights, first model\.embed_tokens.weight"):
        send(made, made.full, "merged", tmp_path / "out")
    assert left_in(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path):
    import os

    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    assert subprocess.call(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk]) == 0
    yield disk
    subprocess.call(["umount", "-l", disk])


@pytest.mark.parametrize("seen", [True, False])
def test_a_disk_without_room_is_said_before_and_during_the_work_and_nothing_is_left(
    made, small_disk, monkeypatch, seen
):
    if not seen:  # somebody else filled it meanwhile
        monkeypatch.setattr(delivery, "_check_room", lambda *args: None)
    with pytest.raises(DiskFullError, match="free, and the model needs about" if seen else "is full"):
        send(made, made.full, "merged", small_disk / "out")
    assert left_in(small_disk) == []


def test_the_command_takes_a_name_of_the_registry_and_says_what_it_did(made, tmp_path, capsys):
    registry = Registry(made.artifacts.store)
    version = registry.register("tale", made.lora.id, made.lora.manifest.digest(), {})
    registry.alias("tale", "live", version.digest)
    where = ["--storage", made.artifacts.store.uri]
    assert main(["export", "tale@live", "--to", str(tmp_path / "out"), "--format", "merged", *where]) == 0
    said = capsys.readouterr()
    assert f"{version.id} as merged" in said.out
    assert "model.safetensors" in said.out
    assert main(["export", "tale@dead", "--to", str(tmp_path / "other"), "--format", "merged", *where]) == 2
    assert "tale@live" in capsys.readouterr().err
    assert main(["export", "tale@live", "--to", str(tmp_path / "out"), "--format", "merged", *where]) == 2
    assert "not empty" in capsys.readouterr().err


def test_a_mixture_of_experts_goes_out_merged(tmp_path):
    from transformers import AutoModelForCausalLM

    made = shelf(tmp_path, "deepseek_v2", tokenizer_like("deepseek-llm"), hidden_size=32)
    send(made, made.lora, "merged", tmp_path / "out")
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "out").config.model_type == "deepseek_v2"


def test_a_tokenizer_and_a_base_of_another_seed_are_not_taken_for_each_other(made, tmp_path):
    """A base that has changed since is told before anything is written."""
    adapter = Path(shutil.copytree(made.lora.local(), tmp_path / "adapter"))
    other = tiny_folder("llama", tmp_path / "other", seed=3)
    (adapter / BASE_FILE).write_text(json.dumps({"source": f"folder:{other}", "digest": "folder-of-old"}))
    with pytest.raises(ModelError, match="is not the one that the adapter"):
        send(made, keep(made.artifacts, adapter, "moved"), "merged", tmp_path / "out")
    assert not (tmp_path / "out").exists()

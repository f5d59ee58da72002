"""`novelray export`: a registered model in a folder for other programs, read again and compared before it is there.

Three forms: `merged` (a Hugging Face folder with all weights), `adapter` (a PEFT folder beside its base) and `gguf`
(one file for llama.cpp). Everything is written into a hidden folder beside the target, which takes the target's name
only when what was written gives the numbers that the model gives.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from novelray.checkpoints.compare import Reading, hold_against, hold_marks, marks_of, reading_of
from novelray.checkpoints.gguf.architecture import check_architecture
from novelray.checkpoints.gguf.file import check_gguf, require_gguf, write_gguf
from novelray.errors import DiskFullError, ModelError, NovelRayError, StorageError
from novelray.models.heads import heads_of, write_heads
from novelray.models.load import BASE_FILE, base_of, from_folder, load_model
from novelray.shards.tokenizer import load_tokenizer
from novelray.storage import Artifacts

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

Form = Literal["merged", "adapter", "gguf"]
Dtype = Literal["f32", "f16", "bf16", "q8_0"]
BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 34 / 32}
STORED: dict[str, Dtype] = {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Delivery:
    """What is wanted. `model`: an artifact's id; `name`: what it is known as; `dtype` None: as the weights are."""

    model: str
    name: str
    form: Form
    to: Path
    dtype: Dtype | None = None


def deliver(artifacts: Artifacts, wanted: Delivery, say: Say) -> Path:
    """Write, read again, compare, and put in place. Returns the folder.

    Raises NovelRayErrors for people, and leaves nothing behind: the folder is not empty, there is no room, the model
    does not go into this form, what was written differs.
    """
    _check_form(wanted)
    folder = artifacts.get(wanted.model).local()
    bottom = bottom_of(folder, artifacts)
    config = json.loads((bottom / "config.json").read_text("utf-8"))
    if wanted.form == "gguf":
        require_gguf()
        check_architecture(config)
    _check_adapter(folder, wanted.form)
    _check_room(wanted, bottom, config)
    with _in_place(wanted.to) as scratch:
        {"merged": _merged, "adapter": _adapter, "gguf": _gguf}[wanted.form](artifacts, wanted, config, scratch, say)
    return wanted.to


def bottom_of(folder: Path, artifacts: Artifacts) -> Path:
    """The folder with the whole weights under a chain of adapters. Raises ModelError when a base has changed."""
    while (folder / "adapter_config.json").is_file():
        kind, _, value = base_of(folder).partition(":")
        folder = Path(value) if kind == "folder" else artifacts.get(value).local()
    return folder


def base_name(adapter: Path, artifacts: Artifacts) -> tuple[str, str | None]:
    """What an adapter's base is called, and its revision: a hub id for a snapshot of the hub's cache, else a folder.

    Raises ModelError for an adapter on an adapter, which no single base goes with.
    """
    kind, _, value = base_of(adapter).partition(":")
    folder = Path(value) if kind == "folder" else artifacts.get(value).local()
    if (folder / "adapter_config.json").is_file():
        raise ModelError(
            "The base of this adapter is an adapter itself, so that no base fits it alone.", "Use --format merged."
        )
    if folder.parent.name == "snapshots" and folder.parent.parent.name.startswith("models--"):
        return folder.parent.parent.name.removeprefix("models--").replace("--", "/", 1), folder.name
    return str(folder.resolve()), None


def _check_form(wanted: Delivery) -> None:
    if wanted.dtype == "q8_0" and wanted.form != "gguf":
        raise NovelRayError(f"--dtype q8_0 is a format of GGUF, not of {wanted.form}.", "Use bf16, f16 or f32.")
    if wanted.dtype is not None and wanted.form == "adapter":
        raise NovelRayError("--dtype does not go with --format adapter: it is kept in fp32.", "Leave --dtype out.")
    if wanted.to.exists() and (not wanted.to.is_dir() or any(wanted.to.iterdir())):
        raise NovelRayError(f"{wanted.to} exists and is not empty.", "Give another folder, or remove that one.")


def _check_adapter(folder: Path, form: Form) -> None:
    path = folder / "adapter_config.json"
    if form == "adapter" and not path.is_file():
        raise ModelError("This model has all its weights and is no adapter.", "Use --format merged or gguf.")
    kind = json.loads(path.read_text("utf-8")).get("peft_type") if path.is_file() else "LORA"
    if form != "adapter" and kind != "LORA":
        raise ModelError(
            f"The model is an adapter of kind {kind}, which is no change of the base's weights.",
            "Use --format adapter.",
        )


def _check_unchanged(adapter: Path) -> None:
    """Raise ModelError when an adapter was trained on other positions or attention than its base has by itself."""
    changes = json.loads((adapter / BASE_FILE).read_text("utf-8")).get("changes", {})
    changed = [name for name, value in changes.items() if value and value != {"type": "full"}]
    if changed:
        raise ModelError(
            f"The adapter belongs to its base with another model.{' and model.'.join(changed)}, which PEFT cannot say.",
            "Use --format merged: config.json says it there.",
        )


def _check_room(wanted: Delivery, bottom: Path, config: dict[str, Any]) -> None:
    """Raise DiskFullError before an hour of work, and not after."""
    stored = sum(path.stat().st_size for path in bottom.glob("*.safetensors"))
    dtype = wanted.dtype or _stored(config)
    needed = 0 if wanted.form == "adapter" else int(stored * BYTES[dtype] / BYTES[_stored(config)])
    there = next(parent for parent in wanted.to.resolve().parents if parent.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed * 1.02:
        raise DiskFullError(
            f"{there} has {free / 1e9:.1f} GB free, and the model needs about {needed / 1e9:.1f} GB.",
            "Free some space, or give --to on another disk.",
        )


def _stored(config: dict[str, Any]) -> Dtype:
    """In what the weights are stored, by config.json."""
    return STORED.get(str(config.get("dtype") or config.get("torch_dtype") or "float32"), "f32")


@contextlib.contextmanager
def _in_place(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its name at the end, or goes with what is in it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield scratch
        scratch.chmod(0o755)
        for path in scratch.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)  # some libraries write for their user alone
        os.replace(scratch, target)  # an empty folder of that name is replaced too
    except Exception as error:
        if "No space left" in str(error) or "os error 28" in str(error):
            raise DiskFullError(f"The disk of {target} is full.", "Free some space and run this again.") from None
        if isinstance(error, OSError):
            raise StorageError(f"{target} could not be written: {error}.", "Is the folder writable?") from error
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _load(artifacts: Artifacts, wanted: Delivery, config: dict[str, Any]) -> PreTrainedModel:
    """The model in the format that its weights are stored in, adapters merged."""
    return load_model(f"artifact:{wanted.model}", artifacts, torch_dtype(_stored(config)))


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """The torch format of a name here."""
    import torch

    return {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}[dtype]


def _merged(artifacts: Artifacts, wanted: Delivery, config: dict[str, Any], scratch: Path, say: Say) -> None:
    dtype = wanted.dtype or _stored(config)
    tokenizer = load_tokenizer(artifacts.get(wanted.model).local())
    model: Any = _load(artifacts, wanted, config)
    before = reading_of(model, tokenizer)
    marks = marks_of(model.to(torch_dtype(dtype)))
    model.save_pretrained(str(scratch), max_shard_size="5GB")
    tokenizer.save_pretrained(str(scratch))
    write_heads(heads_of(f"artifact:{wanted.model}", artifacts), scratch)
    del model  # never two in memory
    again = from_folder(scratch, torch_dtype(dtype))
    hold_marks(marks, marks_of(again))
    _report(before, reading_of(again, load_tokenizer(scratch)), dtype, say)


def _adapter(artifacts: Artifacts, wanted: Delivery, config: dict[str, Any], scratch: Path, say: Say) -> None:
    from peft import PeftModel

    folder = artifacts.get(wanted.model).local()
    name, revision = base_name(folder, artifacts)
    tokenizer = load_tokenizer(folder)
    before = reading_of(_load(artifacts, wanted, config), tokenizer)
    _check_unchanged(folder)
    shutil.copytree(folder, scratch, dirs_exist_ok=True, ignore=shutil.ignore_patterns(BASE_FILE))
    peft = json.loads((folder / "adapter_config.json").read_text("utf-8"))
    stated = {**peft, "base_model_name_or_path": name, "revision": revision}
    (scratch / "adapter_config.json").write_text(json.dumps(stated, indent=2), "utf-8")
    base: Any = from_folder(bottom_of(folder, artifacts), torch_dtype(_stored(config)))
    after = reading_of(PeftModel.from_pretrained(base, str(scratch)), load_tokenizer(scratch))
    say(f"export: its base is {name}" + (f" at {revision}" if revision else ""))
    _report(before, after, _stored(config), say)


def _gguf(artifacts: Artifacts, wanted: Delivery, config: dict[str, Any], scratch: Path, say: Say) -> None:
    from transformers import AutoModelForCausalLM

    dtype = wanted.dtype or _stored(config)
    tokenizer = load_tokenizer(artifacts.get(wanted.model).local())
    model: Any = _load(artifacts, wanted, config)
    before, settings, shape = reading_of(model, tokenizer), model.config, model.config.to_dict()
    check_architecture(shape)  # as an adapter has it: it may have changed what its base is
    path = scratch / f"{wanted.name.replace('@', '-')}-{dtype}.gguf"
    weights = model.state_dict()
    words = write_gguf(path, weights, shape, tokenizer, dtype, wanted.name)
    check_gguf(path, weights, shape, words, dtype)
    del model, weights
    # Read by code that is not ours: an order of rows that only our own reading undoes would be found here.
    again = AutoModelForCausalLM.from_pretrained(
        str(scratch), gguf_file=path.name, config=settings, dtype=torch_dtype(_stored(config)), local_files_only=True
    )
    after = reading_of(again, tokenizer)
    if words.unlike:
        say(
            f"export: warning: llama.cpp cuts words by rules of its own; the nearest ({words.rule}) gives other ids "
            f"for {words.unlike:.2%} of the tokens of a sample"
        )
    _report(before, after, dtype, say)


def _report(before: Reading, after: Reading, dtype: Dtype, say: Say) -> None:
    difference = hold_against(before, after, dtype)
    say(
        f"export: read again, its logits differ by {difference:.1e} of their spread on {before.tokens} tokens ({dtype})"
    )

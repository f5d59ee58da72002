"""Do weights fit? Files against config.json, a loaded model's report, an adapter against its base.

Everything here is told before the first step, with the weight's name and both shapes. Libraries fill what is missing
with random numbers and pass over what is too much: a model that trains, and is not the one that was meant.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Shape = tuple[int, ...]
AGAIN = "Fetch the model again, or mend config.json."
COMPUTED = ("*inv_freq", "*.masked_bias", "*.attn.bias")
"""Names of what old files hold besides weights: it is computed."""
HIGHEST = 1 << 30  # bytes; a header is far smaller


def check_files(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise ModelError when a file of the weights is missing or cut short, or its embeddings are not of config.json's
    size. Reads the files' headers alone."""
    shapes: dict[str, Shape] = {}
    for path in weight_files(folder):
        shapes |= header(path)
    sizes = (config.get("vocab_size"), config.get("hidden_size"))
    found = [name for name in shapes if name.endswith("embed_tokens.weight") and None not in sizes]
    for name in found:
        if shapes[name] != sizes:
            raise ModelError(
                f"The weights in {folder} do not match its config.json: {name} is {spelled(shapes[name])}, and "
                f"vocab_size and hidden_size make it {spelled(sizes)}.",
                AGAIN,
            )


def weight_files(folder: Path) -> list[Path]:
    """The files that are loaded: model.safetensors, or those of the index. Raises ModelError for missing ones."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        found = ", ".join(sorted(path.name for path in folder.glob("*.safetensors"))[:3])
        raise ModelError(
            f"{folder} has {found}, and neither model.safetensors nor model.safetensors.index.json.",
            "Fetch the model again: transformers loads those names.",
        )
    try:
        names = sorted({str(name) for name in json.loads(index.read_text("utf-8"))["weight_map"].values()})
    except (ValueError, KeyError, AttributeError, TypeError):
        raise ModelError(f"{index} does not parse.", "Fetch the model again.") from None
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ModelError(
            f"{index.name} in {folder} names {len(names)} files, and {', '.join(missing[:3])} "
            f"{'is' if len(missing) == 1 else 'are'} not there.",
            "Fetch the model again.",
        )
    return [folder / name for name in names]


def header(path: Path) -> dict[str, Shape]:
    """Name → shape of the tensors in a safetensors file. Raises ModelError when it is not one, or not whole."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        text = stream.read(min(length, HIGHEST))
    try:
        told = json.loads(text)
        told.pop("__metadata__", None)
        end = max((int(entry["data_offsets"][1]) for entry in told.values()), default=0)
        shapes = {name: tuple(int(n) for n in entry["shape"]) for name, entry in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise ModelError(f"{path} is no safetensors file, or its beginning is damaged.", "Fetch it again.") from None
    if 8 + length + end != size:
        raise ModelError(
            f"{path} is not whole: it has {size:,} bytes, and {8 + length + end:,} belong to it.", "Fetch it again."
        )
    return shapes


def check_loaded(folder: Path, report: Mapping[str, Any]) -> None:
    """Raise ModelError when transformers' report of a load names weights that are missing, too many, or misshapen."""
    wrong = dict.fromkeys(map(str, report["missing_keys"]), "is missing")
    extra = [str(name) for name in report["unexpected_keys"]]
    wrong |= {name: "has no place in it" for name in extra if not any(fnmatch.fnmatch(name, p) for p in COMPUTED)}
    for name, *shapes in report["mismatched_keys"]:
        wrong[str(name)] = f"is {spelled(shapes[0])} and would be {spelled(shapes[1])}"
    if wrong:
        name = min(wrong)
        raise ModelError(
            f"The weights in {folder} do not match its config.json: {name} {wrong[name]}"
            f"{f', and {len(wrong) - 1} more do not fit' if len(wrong) > 1 else ''}.",
            AGAIN,
        )


def check_adapter(model: PreTrainedModel, folder: Path) -> None:
    """Raise ModelError, with name and shapes, when the LoRA weights of a PEFT folder are not made for this very base.

    PEFT passes over layers that the base does not have. Layers that the adapter does not have are left as they are: it
    may be meant for some of them.
    """
    path = folder / "adapter_model.safetensors"
    if not path.is_file():
        raise _misfit(folder, "it has no adapter_model.safetensors")
    modules = dict(model.named_modules())
    for name, shape in header(path).items():
        found = re.fullmatch(r"base_model\.model\.(.+)\.lora_([AB])\.weight", name)
        if found is None:
            continue
        weight = getattr(modules.get(found[1]), "weight", None)
        if weight is None:
            raise _misfit(folder, f"it has weights for {found[1]}, which the base does not have")
        side = 1 if found[2] == "A" else 0
        if len(shape) == 2 and weight.dim() == 2 and shape[side] != weight.shape[side]:
            how = f"{found[1]} is {spelled(weight.shape)} in the base, and {name} {spelled(shape)}"
            raise _misfit(folder, how)


def _misfit(folder: Path, how: str) -> ModelError:
    return ModelError(
        f"The adapter in {folder} does not fit this base: {how}.{_named_base(folder)}",
        "Use the base that the adapter was trained on (novelray trace shows it).",
    )


def _named_base(folder: Path) -> str:
    """What the adapter's own configuration says of its base."""
    try:
        name = json.loads((folder / "adapter_config.json").read_text("utf-8")).get("base_model_name_or_path")
    except (OSError, ValueError, AttributeError):
        return ""
    return f" By its adapter_config.json it was trained on {name}." if name else ""


def spelled(shape: Any) -> str:
    """A shape for people: 400 × 32."""
    return " × ".join(map(str, shape))

"""What is wrong with a recipe, in sentences: the key by its dotted name, its value, and the nearest valid key."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from novelray.errors import RecipeError
from novelray.recipe.schema import Recipe

KNOWN_ELSEWHERE_AS = {
    "lr": "train.learning_rate",
    "batch_size": "train.global_batch",
    "train_batch_size": "train.global_batch",
    "micro_batch_size": "train.micro_batch",
    "per_device_train_batch_size": "train.micro_batch",
    "gradient_accumulation_steps": "train.global_batch",
    "accumulation": "train.global_batch",
    "num_train_epochs": "train.epochs",
    "warmup_ratio": "train.warmup",
    "lora_r": "train.lora.rank",
    "r": "train.lora.rank",
    "use_rslora": "train.lora.rslora",
    "peft_use_rslora": "train.lora.rslora",
    "use_dora": "train.lora.dora",
    "peft_use_dora": "train.lora.dora",
    "init_lora_weights": "train.lora.init",
    "pissa_init": "train.lora.init",
    "loraplus_lr_ratio": "train.lora.loraplus",
    "load_in_4bit": "train.bits",
    "load_in_8bit": "train.bits",
    "quantization_bit": "train.bits",
    "freeze_trainable_layers": "train.freeze_layers",
    "lora_alpha": "train.lora.alpha",
    "max_length": "shards.context",
    "max_seq_length": "shards.context",
    "seq_len": "shards.context",
    "num_workers": "scaling.workers",
    "gpus": "scaling.workers",
    "zero_stage": "scaling.zero",
    "model_name_or_path": "model.base",
}
"""What other tools call a key, so that a habit gets an answer and not only a refusal."""


def explain(error: ValidationError, where: str | Path) -> RecipeError:
    """One error with a line for each problem that pydantic found."""
    lines: dict[str, None] = {}
    for one in error.errors():
        lines.update(dict.fromkeys(_sentences(one)))
    count = "a problem" if len(lines) == 1 else f"{len(lines)} problems"
    return RecipeError(
        f"The recipe {where} has {count}:\n" + "\n".join(f"  - {line}" for line in lines),
        "Every key is explained in docs/recipe.md and by: novelray recipe reference",
    )


def _sentences(error: Any) -> list[str]:
    if error["type"] == "value_error" and not error["loc"]:
        return str(error["ctx"]["error"]).split("\n")
    location = _location(error["loc"], error["type"] == "extra_forbidden")
    dotted = ".".join(str(part) for part in location)
    if error["type"] == "extra_forbidden":
        return [f"{dotted}: unknown key{_suggest(location)}"]
    if error["type"] == "missing":
        return [f"{dotted}: is required"]
    if error["type"] in ("model_type", "dict_type", "model_attributes_type"):
        return [f"{dotted}: is a section with keys of its own, not the value {_short(error['input'])}"]
    if error["type"] == "value_error":
        return [f"{dotted}: {error['ctx']['error']}"]
    return [f"{dotted}: {error['msg'][0].lower()}{error['msg'][1:]} (got {_short(error['input'])})"]


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _location(parts: tuple[Any, ...], unknown_last: bool) -> tuple[Any, ...]:
    """The path that the user wrote: pydantic adds the names of union members and validators to it."""
    kept: list[Any] = []
    model: type[BaseModel] | None = Recipe
    for at, part in enumerate(parts):
        if isinstance(part, int) or (unknown_last and at == len(parts) - 1):
            kept.append(part)
        elif model is not None and part in model.model_fields:
            kept.append(part)
            model = section_of(model.model_fields[part].annotation)
    return tuple(kept)


def _suggest(where: tuple[Any, ...]) -> str:
    """The nearest key in the same section, else what another section or another tool calls it."""
    name = str(where[-1])
    if name in KNOWN_ELSEWHERE_AS:
        return f"; here it is {KNOWN_ELSEWHERE_AS[name]!r}"
    keys = _keys_at(where[:-1])
    near = difflib.get_close_matches(name, keys, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    everywhere = {key.rpartition(".")[2]: key for key in reversed(all_keys())}
    far = difflib.get_close_matches(name, list(everywhere), n=1, cutoff=0.8)
    if far:
        return f"; did you mean {everywhere[far[0]]!r}?"
    return f"; valid keys here: {', '.join(sorted(keys))}"


def _keys_at(where: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Recipe
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = section_of(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def all_keys(model: type[BaseModel] = Recipe, prefix: str = "") -> list[str]:
    """The dotted name of every key of the schema, outer ones first."""
    found = [prefix + name for name in model.model_fields]
    for name, field in model.model_fields.items():
        child = section_of(field.annotation)
        if child is not None:
            found += all_keys(child, f"{prefix}{name}.")
    return sorted(found, key=lambda key: key.count("."))


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = section_of(argument)
        if found is not None:
            return found
    return None

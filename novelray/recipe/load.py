"""From a YAML file and `--set` overrides to a checked `Recipe`, with errors that name the nearest valid key."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from novelray.errors import RecipeError
from novelray.recipe.schema import Recipe

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, interpolate, override, check. Relative paths in the file are relative to the file.

    Raises RecipeError for anything wrong with the file or an override, naming the key and the nearest valid one.
    """
    path = Path(path)
    data = _read_yaml(path)
    for override in overrides:
        _apply(data, override)
    data = _interpolate(data)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise _explain(error, path) from None
    return _with_absolute_paths(recipe, path.resolve().parent)


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every value stated, readable by `load_recipe`."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), allow_unicode=True, sort_keys=False)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe at {path}.", "Make one with: novelray init my-novel") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder, not a recipe.", f"Try {path / 'recipe.yaml'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.", "A recipe is a UTF-8 YAML file.") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"The recipe {path} is not valid YAML: {error}", "Check indentation and colons.") from None
    if not isinstance(data, dict):
        raise RecipeError(f"The recipe {path} is not a mapping of sections.", "Start from: novelray init my-novel")
    return data


def _apply(data: dict[str, Any], override: str) -> None:
    """`train.lora.rank=32` sets data["train"]["lora"]["rank"]; a number in the path indexes a list."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise RecipeError(f"--set {override!r} has no '='.", "Write it as --set train.lora.rank=32")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise RecipeError(
            f"--set {override!r}: {text!r} is not a YAML value.", "Quote it, or check brackets."
        ) from None
    if isinstance(value, str) and _is_number(value):
        value = float(value)  # YAML 1.1 reads 1e-4 as text
    *parents, last = key.strip().split(".")
    node: Any = data
    for part in parents:
        node = _descend(node, part, override)
    if isinstance(node, list):
        node[_index(node, last, override)] = value
    else:
        node[last] = value


def _descend(node: Any, part: str, override: str) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, override)]
    if node.get(part) is None:
        node[part] = {}
    child = node[part]
    if not isinstance(child, dict | list):
        raise RecipeError(f"--set {override!r}: {part!r} is the value {child!r}, not a section.", "Shorten the key.")
    return child


def _index(node: list[Any], part: str, override: str) -> int:
    if part.isdigit() and int(part) < len(node):
        return int(part)
    raise RecipeError(f"--set {override!r}: {part!r} is not an index into a list of {len(node)}.", "Count from 0.")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "e" in text.lower()


def _interpolate(value: Any) -> Any:
    """`${NAME}` and `${NAME:-default}` in strings, from the environment. Also reads 1e-4 as the number it is."""
    if isinstance(value, dict):
        return {k: _interpolate(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(v) for v in value]
    if isinstance(value, str):
        return _VARIABLE.sub(_variable, value)
    return value


def _variable(match: re.Match[str]) -> str:
    name, default = match.group(1), match.group(2)
    found = os.environ.get(name, default)
    if found is None:
        raise RecipeError(
            f"The recipe uses ${{{name}}}, which is not set.", f"export {name}=... or write ${{{name}:-default}}"
        )
    return found


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    storage = recipe.storage.model_copy(update={"root": _absolute(recipe.storage.root, folder)})
    corpus = recipe.corpus.model_copy(update={"books": tuple(_absolute(b, folder) for b in recipe.corpus.books)})
    base = recipe.model.base
    if base.startswith(("./", "../", "~")) or (folder / base).is_dir():
        base = _absolute(base, folder)
    model = recipe.model.model_copy(update={"base": base})
    return recipe.model_copy(update={"storage": storage, "corpus": corpus, "model": model})


def _absolute(location: str, folder: Path) -> str:
    if "://" in location:
        return location
    return os.path.normpath(folder / Path(location).expanduser())


def _explain(error: ValidationError, path: Path) -> RecipeError:
    lines = [_explain_one(e) for e in error.errors()]
    return RecipeError(f"The recipe {path} has {len(lines)} problem(s):\n" + "\n".join(f"  - {x}" for x in lines),
                       "All keys are explained in docs/recipe.md (novelray recipe reference).")  # fmt: skip


def _explain_one(error: Any) -> str:
    where = tuple(part for part in error["loc"] if part != "function-after")
    dotted = ".".join(str(p) for p in where)
    if error["type"] == "extra_forbidden":
        return f"{dotted}: unknown key{_suggest(where)}"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"]).replace("\n", "\n  - ")
    if error["type"] == "missing":
        return f"{dotted}: is required"
    return f"{dotted}: {error['msg'][0].lower()}{error['msg'][1:]} (got {error['input']!r})"


def _suggest(where: tuple[Any, ...]) -> str:
    """The nearest key in the same section, else the same key in another section."""
    keys = _valid_keys(Recipe, where[:-1])
    near = difflib.get_close_matches(str(where[-1]), keys, n=1, cutoff=0.5)
    if near:
        return f"; did you mean {near[0]!r}?"
    elsewhere = difflib.get_close_matches(str(where[-1]), list(_all_keys(Recipe)), n=1, cutoff=0.8)
    if elsewhere:
        return f"; did you mean {_all_keys(Recipe)[elsewhere[0]]!r}?"
    return f"; valid keys here: {', '.join(sorted(keys))}"


def _valid_keys(model: type[BaseModel], where: tuple[Any, ...]) -> list[str]:
    for part in where:
        if isinstance(part, str) and part in model.model_fields:
            model = section_of(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _all_keys(model: type[BaseModel], prefix: str = "") -> dict[str, str]:
    """Last name → dotted name, for every key of the schema."""
    found: dict[str, str] = {}
    for name, field in model.model_fields.items():
        found.setdefault(name, prefix + name)
        child = section_of(field.annotation)
        if child is not None:
            found = {**_all_keys(child, f"{prefix}{name}."), **found}
    return found


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as `X`, `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in get_args(annotation):
        found = section_of(argument)
        if found is not None:
            return found
    return None

"""From a YAML file and `--set` overrides to a checked `Recipe`, with errors that name the nearest valid key."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from novelray.errors import RecipeError
from novelray.recipe.explain import explain
from novelray.recipe.read import BookEntry
from novelray.recipe.schema import Recipe
from novelray.recipe.yamlfile import parse, read_mapping

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def load_recipe(path: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read, override, interpolate, check. Relative paths in the file are relative to the file.

    Raises RecipeError for anything wrong with the file or an override, naming the key and the nearest valid one.
    """
    path = Path(path)
    data: Any = read_mapping(path)
    for override in overrides:
        _apply(data, override)
    data = _interpolate(data)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise explain(error, path) from None
    return _with_absolute_paths(recipe, path.resolve().parent)


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as YAML with every value stated, readable by `load_recipe`; the two are each other's inverse."""
    data = recipe.model_dump(mode="json")
    return yaml.safe_dump(_escaped(data), allow_unicode=True, sort_keys=False)


def _apply(data: dict[str, Any], override: str) -> None:
    """`train.lora.rank=32` sets data["train"]["lora"]["rank"]; a number in the path indexes a list."""
    key, separator, text = override.partition("=")
    *parents, last = (part.strip() for part in key.split("."))
    if not separator or not all([*parents, last]):
        raise RecipeError(f"--set {override!r} is not KEY=VALUE.", "Write it as --set train.lora.rank=32")
    try:
        value = parse(text)
    except yaml.YAMLError:
        raise RecipeError(
            f"--set {override!r}: {text!r} is not a YAML value.", "Quote it, or check brackets."
        ) from None
    node: Any = data
    for part in parents:
        node = _descend(node, part, override)
    node[_index(node, last, override) if isinstance(node, list) else last] = value


def _descend(node: Any, part: str, override: str) -> Any:
    key = _index(node, part, override) if isinstance(node, list) else part
    if isinstance(node, dict) and node.get(part) is None:
        node[part] = {}
    child = node[key]
    if not isinstance(child, dict | list):
        raise RecipeError(f"--set {override!r}: {part!r} is the value {child!r}, not a section.", "Shorten the key.")
    return child


def _index(node: list[Any], part: str, override: str) -> int:
    if part.isdigit() and int(part) < len(node):
        return int(part)
    raise RecipeError(
        f"--set {override!r}: {part!r} is not an index into a list of {len(node)}.",
        "Count from 0, or set the whole list: --set 'corpus.books=[a, b]'",
    )


def _interpolate(value: Any) -> Any:
    """`${NAME}` and `${NAME:-default}` in strings, from the environment; `$$` is a plain dollar sign before a brace."""
    if isinstance(value, dict):
        return {k: _interpolate(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_interpolate(v) for v in value]
    if isinstance(value, str):
        return "${".join(_VARIABLE.sub(_variable, piece) for piece in value.split("$${"))
    return value


def _variable(match: re.Match[str]) -> str:
    name, default = match.group(1), match.group(2)
    found = os.environ.get(name, default)
    if found is None:
        raise RecipeError(
            f"The recipe uses ${{{name}}}, which is not set.", f"export {name}=... or write ${{{name}:-default}}"
        )
    return found


def _escaped(value: Any) -> Any:
    """The inverse of `_interpolate` for a value that holds `${` itself."""
    if isinstance(value, dict):
        return {k: _escaped(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_escaped(v) for v in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def _with_absolute_paths(recipe: Recipe, folder: Path) -> Recipe:
    storage, base = recipe.storage, recipe.model.base
    places = {"root": _absolute(storage.root, folder)}
    if storage.cache is not None:
        places["cache"] = _absolute(storage.cache, folder)
    if base.startswith((".", "~")) or (folder / base).is_dir():
        base = _absolute(base, folder)
    corpus = recipe.corpus
    books = tuple(_placed(book, folder) for book in corpus.books)
    labels = corpus.labels.model_copy(update={"files": tuple(_absolute(f, folder) for f in corpus.labels.files)})
    tables = {key: _absolute(f, folder) for key in ("corrections", "names_file") if (f := getattr(corpus.clean, key))}
    placed = {
        "books": books, "labels": labels, "clean": corpus.clean.model_copy(update=tables),
        "augment": corpus.augment.placed(folder),
    }  # fmt: skip
    serve = recipe.serve
    if serve.guard.terms.file is not None:
        terms = serve.guard.terms.model_copy(update={"file": _absolute(serve.guard.terms.file, folder)})
        serve = serve.model_copy(update={"guard": serve.guard.model_copy(update={"terms": terms})})
    return recipe.model_copy(
        update={
            "serve": serve,
            "storage": storage.model_copy(update=places),
            "corpus": corpus.model_copy(update=placed),
            "model": recipe.model.model_copy(update={"base": base}),
        }
    )


def _placed(book: str | BookEntry, folder: Path) -> str | BookEntry:
    if isinstance(book, str):
        return _absolute(book, folder)
    return book.model_copy(update={"path": _absolute(book.path, folder)})


def _absolute(location: str, folder: Path) -> str:
    if "://" in location:
        return location
    return os.path.normpath(folder / os.path.expanduser(location))

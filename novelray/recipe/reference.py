"""The recipe's reference page and JSON Schema, made from the schema itself: `python -m novelray.recipe.reference`.

Docstrings, types, ranges and defaults come from the sections, the combinations from `compatibility.RULES`. A test fails
when docs/recipe.md or docs/recipe.schema.json is not what this module writes.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from novelray.recipe.base import Section
from novelray.recipe.compatibility import RULES
from novelray.recipe.explain import section_of
from novelray.recipe.schema import Recipe

SCHEMA_HINT = "# yaml-language-server: $schema="
INTRODUCTION = """# The recipe

One YAML file describes one model, from its books to its endpoint. Only `name` has no default; since the default base,
`scratch:nano`, starts from random weights, a recipe that keeps it says `train.method: full` as well.

- Relative paths are relative to the recipe.
- `${NAME}` and `${NAME:-default}` in a value are taken from the environment; `$${` is a plain `${`.
- `--set train.lora.rank=32` on any command overrides a key; `--set train.stages.0.epochs=2` one in a list. The value is
  YAML: `null`, `true`, `1e-4`, `[a, b]`.
- A section with nothing under it means its defaults.
- Editors with a YAML language server complete and check keys when the file starts with
  `# yaml-language-server: $schema=../../docs/recipe.schema.json` (a path from the recipe to that file, or its URL).
- Keys marked ○ say where or how fast things happen. Changing one never makes a stage run again.

This page is generated: `make docs`.
"""
_PLACEHOLDER = re.compile(r"\{[rs]\.[^}]*\}")
_VARIABLE = {"type": "string", "pattern": r"\$\{\w+(:-[^}]*)?\}"}


def markdown() -> str:
    """The reference page."""
    parts = [INTRODUCTION, _table("", Recipe)]
    parts += [_section(path, model) for path, model in _sections("", Recipe)]
    return "\n".join([*parts, _combinations()])


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a recipe as it stands in the file: sections may be empty, numbers may be `${NAME}`."""
    schema = _as_written(Recipe.model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "NovelRay recipe"}


def _sections(prefix: str, model: type[Section]) -> Iterator[tuple[str, type[Section]]]:
    for name, field in model.model_fields.items():
        child = section_of(field.annotation)
        if child is not None and issubclass(child, Section):
            many = "[]" if "tuple" in str(field.annotation) else ""
            yield f"{prefix}{name}{many}", child
            yield from _sections(f"{prefix}{name}{many}.", child) if not many else ()


def _section(path: str, model: type[Section]) -> str:
    return f"## `{path}`\n\n{_one_line(inspect.getdoc(model) or '')}\n\n{_table(path + '.', model)}"


def _table(prefix: str, model: type[Section]) -> str:
    properties = model.model_json_schema()["properties"]
    own = [name for name in model.model_fields if prefix != "train.stages[]." or name not in _inherited()]
    lines = ["| key | value | default | meaning |", "|---|---|---|---|"]
    for name in own:
        field = model.model_fields[name]
        if section_of(field.annotation) and not field.description:
            continue
        mark = "" if model.field_counts(name) else " ○"
        cells = [
            f"`{prefix}{name}`{mark}",
            _value(properties[name]),
            _default(field),
            _one_line(field.description or ""),
        ]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if own != list(model.model_fields):
        lines += ["", "Every other key of `train` may stand in a stage too; what is left out is taken from `train`."]
    return "\n".join(lines) + "\n"


def _inherited() -> set[str]:
    from novelray.recipe.train import Hyper

    return set(Hyper.model_fields)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _default(field: Any) -> str:
    if field.is_required():
        return "*required*"
    value = field.default
    if isinstance(value, Section):
        return "see below"
    return f"`{json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)}`"


def _value(schema: dict[str, Any]) -> str:
    """A property's type and range in words."""
    if "anyOf" in schema:
        return " or ".join(_value(option) for option in schema["anyOf"])
    if "$ref" in schema:
        return "section"
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema["type"] == "array":
        if "prefixItems" in schema:
            return "list: " + ", ".join(_value(item) for item in schema["prefixItems"])
        return f"list of {_value(schema['items'])}"
    if schema["type"] == "string" and "pattern" in schema:
        return f"text like `{schema['pattern']}`"
    words = {"integer": "whole number", "number": "number", "boolean": "`true` or `false`", "string": "text"}
    return f"{words.get(schema['type'], schema['type'])}{_range(schema)}"


def _range(schema: dict[str, Any]) -> str:
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {schema[key]:g}" for key, sign in signs.items() if key in schema]
    return f" {', '.join(limits)}" if limits else ""


def _combinations() -> str:
    lines = ["## What does not go together", "", "| rule | keys | what is refused | what to do |", "|---|---|---|---|"]
    for rule in RULES:
        keys = ", ".join(f"`{key}`" for key in rule.fields)
        what = _PLACEHOLDER.sub("…", rule.what.replace("!r", ""))
        lines.append(f"| {rule.name} | {keys} | {what} | {rule.hint} |")
    return "\n".join(lines) + "\n"


def _as_written(schema: Any, key: str = "") -> Any:
    """The schema of the file rather than of the checked object."""
    if isinstance(schema, list):
        return [_as_written(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if key in ("properties", "$defs"):
        return {name: _as_written(child) for name, child in schema.items()}
    plain = {name: _as_written(child, name) for name, child in schema.items() if name not in ("identity", "title")}
    if "$ref" in plain:
        note = {"description": plain["description"]} if "description" in plain else {}
        return {"anyOf": [{"$ref": plain["$ref"]}, {"type": "null"}], **note}
    if plain.get("type") in ("integer", "number", "boolean") or "enum" in plain:
        note = {name: plain.pop(name) for name in ("description", "default") if name in plain}
        return {"anyOf": [plain, _VARIABLE], **note}
    return plain


def main(folder: Path) -> None:
    """Write both files into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.md").write_text(markdown(), "utf-8")
    schema = json.dumps(json_schema(), indent=2, ensure_ascii=False)
    (folder / "recipe.schema.json").write_text(schema + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs"))

"""Reading YAML for recipes: 1e-4 is a number, a key given twice is an error, mistakes name their line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from novelray.errors import RecipeError


class _Loader(yaml.SafeLoader):
    """The safe loader, less two traps of YAML 1.1: `1e-4` read as text, and the first of two equal keys forgotten."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str) and key in seen and key != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key if isinstance(key, str) else None)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse(text: str) -> Any:
    """A YAML document as plain Python values. Raises yaml.YAMLError."""
    return yaml.load(text, Loader=_Loader)


def read_mapping(path: Path) -> dict[str, Any]:
    """The top mapping of a YAML file. Raises RecipeError for a file that cannot be read or is something else."""
    try:
        data = parse(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise RecipeError(f"There is no recipe at {path}.", "Make one with: novelray init my-novel") from None
    except IsADirectoryError:
        raise RecipeError(f"{path} is a folder, not a recipe.", f"Try {path / 'recipe.yaml'}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error}.", "A recipe is a UTF-8 YAML file.") from None
    except yaml.YAMLError as error:
        raise RecipeError(
            f"The recipe {path} is not valid YAML{_where(error)}.", "Check indentation, colons and quotes there."
        ) from None
    if not isinstance(data, dict):
        raise RecipeError(f"The recipe {path} is not a mapping of sections.", "Start from: novelray init my-novel")
    return data


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "characters that YAML does not allow"
    return f", line {mark.line + 1}: {problem}" if mark else f": {problem}"

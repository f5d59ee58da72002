"""What differs between two recipes, in the words of the recipe: dotted keys with the old value and the new."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

ABSENT = "absent"


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """A line for each key that differs, `train.learning_rate: 0.0002 → 0.0001`. Both are identities of recipes."""
    before, after = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key}: {_shown(before.get(key, ABSENT))} → {_shown(after.get(key, ABSENT))}"
        for key in dict.fromkeys([*before, *after])
        if before.get(key, ABSENT) != after.get(key, ABSENT)
    ]


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, one in value.items():
        if isinstance(one, dict):
            yield from _flat(one, f"{prefix}{key}.")
        elif key == "stages":
            yield from _stages(one, prefix)
        else:
            yield f"{prefix}{key}", one


def _stages(stages: list[dict[str, Any]], prefix: str) -> Iterator[tuple[str, Any]]:
    """One stage alone is the section itself; several go by their names, not by their places."""
    for stage in stages:
        alone = len(stages) == 1 and stage.get("name") == "main"
        yield from _flat(stage, prefix if alone else f"{prefix}stages[{stage.get('name')}].")


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."

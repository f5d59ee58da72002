"""The registry as rows of a table, for `novelray models list`."""

from __future__ import annotations

from typing import Any

from novelray.registry.registry import Registry
from novelray.registry.version import Version

HEADINGS = ("version", "aliases", "base", "perplexity", "recipe", "made", "artifact")


def rows(registry: Registry, name: str | None = None) -> list[tuple[str, ...]]:
    """One row per version under HEADINGS, by name and the newest first; of one model when `name` is given."""
    found: list[tuple[str, ...]] = []
    for model in registry.names() if name is None else [name]:
        aliases = registry.aliases(model)
        for version in reversed(registry.versions(model)):
            mine = sorted(alias for alias, digest in aliases.items() if digest == version.digest)
            found.append(_row(version, mine))
    return found


def _row(version: Version, aliases: list[str]) -> tuple[str, ...]:
    about = version.about
    base, recipe = str(about.get("base") or ""), str(about.get("recipe") or "")
    made = version.created[:16].replace("T", " ")
    return (version.id, " ".join(aliases), base, _perplexity(about.get("scores")), recipe, made, version.artifact)


def _perplexity(scores: Any) -> str:
    """`31.2 → 18.4` when the scores have a value before and after training, `18.4` when they have one alone."""
    if not isinstance(scores, dict):
        return ""
    before, after = scores.get("before"), scores.get("after")
    values = [side.get("perplexity") for side in (before, after, scores) if isinstance(side, dict)]
    return " → ".join(f"{value:.4g}" for value in values if isinstance(value, int | float))

"""`novelray trace`: the chain from an artifact back to the books, as a tree."""

from __future__ import annotations

from pathlib import Path

from rich.text import Text
from rich.tree import Tree

from novelray.fleet.console import console
from novelray.recipe import load_recipe
from novelray.registry import Registry
from novelray.storage import Artifacts, Store, trace
from novelray.storage.artifacts import Link


def show_trace(artifact: str, recipe: Path, storage: str | None) -> None:
    """Print where an artifact (an id, or a version `name@alias` or `name@digest`) came from.

    Raises NovelRayError when the storage has none of that id.
    """
    artifacts = Artifacts(store_of(recipe, storage))
    if "@" in artifact:
        artifact = Registry(artifacts.store).resolve(artifact).artifact
    artifacts.get(artifact)
    branches: list[Tree] = []
    for link in trace(artifacts, artifact):
        label = _label(link)
        branch = branches[link.depth - 1].add(label) if link.depth else Tree(label)
        branches[link.depth :] = [branch]
    console().print(branches[0])


def store_of(recipe: Path, storage: str | None) -> Store:
    """The store at a root, or without one the recipe's."""
    if storage:
        return Store(storage)
    section = load_recipe(recipe).storage
    return Store(section.root, section.endpoint)


def _label(link: Link) -> Text:
    role = (f"{link.role}: ", "dim") if link.role else ""
    if link.manifest is None:
        return Text.assemble(role, link.id)
    counts = ", ".join(f"{k} {v}" for k, v in link.manifest.counts.items() if isinstance(v, int | float))
    return Text.assemble(role, (link.id, "bold cyan"), f"  {link.manifest.created}  {counts}")

"""`novelray deploy`: a recipe's model or any registered version, on the running cluster."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from novelray.errors import NovelRayError
from novelray.fleet.console import say
from novelray.recipe import load_recipe
from novelray.recipe.serve import ServeSection
from novelray.recipe.storage import StorageSection
from novelray.registry import Registry, Version
from novelray.storage import Artifacts, Store

if TYPE_CHECKING:
    from novelray.onray.serving import About

DEFAULT_RECIPE = Path("recipe.yaml")


def deploy(
    target: str, recipe: Path | None, storage: str | None, overrides: Sequence[str], canary: float | None
) -> None:
    """Put a version on the cluster for all clients, or as a canary for a share of them.

    `target`: a recipe, or `name@alias` or `name@digest` in the registry of `storage` or of `recipe`'s storage. Raises
    NovelRayError when it is neither.
    """
    from novelray.onray import session
    from novelray.onray.serving import settings_of
    from novelray.onray.versions import replace, start_canary

    version, about = _resolved(target, recipe, storage, overrides)
    session.connect()
    settings = settings_of(version, about, say)
    if canary is None:
        replace(settings, say)
    else:
        start_canary(settings, canary, say)


def promote() -> None:
    """Give all clients the canary."""
    from novelray.onray import session, versions

    session.connect()
    versions.promote(say)


def roll_back() -> None:
    """Take the canary back."""
    from novelray.onray import session, versions

    session.connect()
    versions.roll_back(say)


def show_status(as_json: bool) -> None:
    """Print what is deployed."""
    from novelray.onray import session, versions

    session.connect()
    found = versions.status()
    typer.echo(json.dumps(found, ensure_ascii=False) if as_json else "\n".join(versions.told(found)))


def _resolved(target: str, recipe: Path | None, storage: str | None, overrides: Sequence[str]) -> tuple[Version, About]:
    """The version that is meant, and how to serve it."""
    from novelray.onray.serving import About

    path = Path(target)
    is_recipe = path.suffix in (".yaml", ".yml") or path.is_file()
    if storage and not is_recipe:
        if overrides or recipe:
            raise NovelRayError("--storage stands in place of a recipe.", "Leave --set and --recipe out, or --storage.")
        registry = Registry(Store(storage))
        about = About(ServeSection(), StorageSection(root=registry.store.uri))
        return registry.resolve(target), _alias(target, registry, about)
    loaded = load_recipe(path if is_recipe else recipe or DEFAULT_RECIPE, overrides)
    artifacts = Artifacts(Store(loaded.storage.root, loaded.storage.endpoint))
    reference = f"{loaded.model_name}@{loaded.registry.alias}" if is_recipe else target
    registry = Registry(artifacts.store)
    return registry.resolve(reference), _alias(reference, registry, About.by(loaded, artifacts))


def _alias(reference: str, registry: Registry, about: About) -> About:
    """A version that was named by an alias answers to that alias."""
    name, _, which = reference.partition("@")
    return dataclasses.replace(about, alias=which) if which in registry.aliases(name) else about

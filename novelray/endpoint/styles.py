"""Which adapters may be asked for: those that `serve.adapters` names, of the served base, as the registry is now.

The registry is read again when the last look is older than FRESH_S: an alias that moved is followed within that time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from novelray.endpoint.settings import ServedModel
from novelray.errors import NovelRayError
from novelray.registry import Registry, Version
from novelray.storage import Artifacts

log = logging.getLogger(__name__)

FRESH_S = 5.0
"""Seconds for which a look at the registry holds."""


@dataclass(frozen=True)
class Adapters:
    """What there is: adapters that fit, and why others that the registry has under these names do not."""

    models: tuple[ServedModel, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)


class Catalogue:
    """What `look` (which may block) said last, asked again when that is too long ago."""

    def __init__(self, look: Callable[[], Adapters], fresh_s: float = FRESH_S) -> None:
        self._look, self._fresh_s = look, fresh_s
        self._looking = asyncio.Lock()
        self._looked: float | None = None
        self._found = Adapters()

    @property
    def _stale(self) -> bool:
        return self._looked is None or time.monotonic() - self._looked > self._fresh_s

    async def now(self) -> Adapters:
        """The adapters; the ones known before when the registry does not answer."""
        if self._stale:
            async with self._looking:
                if self._stale:
                    try:
                        self._found = await asyncio.to_thread(self._look)
                    except NovelRayError as error:
                        log.warning("the adapters in the registry were not read again: %s", error.message)
                    self._looked = time.monotonic()
        return self._found


class RegisteredAdapters:
    """The adapters of one base in a registry.

    `wanted`: `name` (any version), `name@alias` (what that is now) or `name@digest`. `base`: id of the base on the
    wire. `base_digest`: what an adapter's artifact says that it was trained on.
    """

    def __init__(self, artifacts: Artifacts, wanted: Sequence[str], base: str, base_digest: str) -> None:
        self._artifacts, self._registry = artifacts, Registry(artifacts.store)
        self._wanted, self._base, self._base_digest = wanted, base, base_digest
        self._problems: dict[str, str | None] = {}  # by artifact, which does not change

    def look(self) -> Adapters:
        """Read the registry. Raises NovelRayError when it cannot be read."""
        models: dict[str, ServedModel] = {}
        refused: dict[str, str] = {}
        for version, names in self._versions():
            problem = self._problem(version)
            if problem is not None:
                refused |= dict.fromkeys((version.id, *names), problem)
                continue
            known = models[version.id].aliases if version.id in models else ()
            models[version.id] = ServedModel(
                id=version.id, aliases=tuple(dict.fromkeys((*known, *names))), adapter=version.id, parent=self._base,
                digest=version.digest, created=int(datetime.fromisoformat(version.created).timestamp()),
            )  # fmt: skip
        taken = {name for model in models.values() for name in (model.id, *model.aliases)}
        return Adapters(tuple(models.values()), {name: why for name, why in refused.items() if name not in taken})

    def folder(self, adapter_id: str) -> str:
        """The PEFT folder of an adapter on this machine; fetched, and checked, when it lies elsewhere."""
        return str(self._artifacts.get(self._registry.resolve(adapter_id).artifact).local())

    def _versions(self) -> Iterator[tuple[Version, tuple[str, ...]]]:
        """Each version that is wanted, with the other names that it answers to, newest versions of a name last."""
        for reference in self._wanted:
            name, separator, _ = reference.partition("@")
            if not self._registry.versions(name):
                continue  # not trained yet
            meant = self._registry.resolve(reference)
            if separator:
                yield meant, tuple(n for n in (reference, name) if n != meant.id)
                continue
            aliases = self._registry.aliases(name)
            for version in self._registry.versions(name):
                mine = tuple(f"{name}@{alias}" for alias, digest in aliases.items() if digest == version.digest)
                yield version, (name, *mine) if version == meant else mine

    def _problem(self, version: Version) -> str | None:
        """Why a version cannot be used here, or None."""
        if version.artifact not in self._problems:
            manifest = self._artifacts.get(version.artifact).manifest
            base = manifest.inputs.get("base")
            if "adapter_config.json" not in manifest.files:
                problem = f"{version.id} is no adapter but a whole model."
            elif base != self._base_digest:
                problem = f"{version.id} was trained on the base {base}; {self._base} here is {self._base_digest}."
            else:
                problem = None
            self._problems[version.artifact] = problem
        return self._problems[version.artifact]

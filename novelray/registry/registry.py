"""Names, versions and aliases, kept in the store beside the artifacts.

    registry/<name>/versions/<64 hex>.json     immutable, one per content
    registry/<name>/aliases/<alias>.json       moves

A version is identified by the content digest of its artifact: the same weights are the same version, whichever run
made them.
"""

from __future__ import annotations

import builtins
import difflib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from novelray.errors import NovelRayError
from novelray.registry.version import SHORT, Alias, Version
from novelray.storage import Store

ROOT = "registry"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DIGEST = re.compile(r"[0-9a-f]{64}")
PREFIX = re.compile(r"[0-9a-f]{6,64}")


class Registry:
    """The registry of one store. Every method raises DamagedError for a record that does not match its SHA-256."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def register(self, name: str, artifact_id: str, digest: str, about: dict[str, Any]) -> Version:
        """Make an artifact known as a version of `name`. The same content a second time gives the first version back.

        `digest`: the artifact's content digest, `artifact.manifest.digest()`, 64 hexadecimal digits.
        """
        _require(name, NAME, "model name", "Use lower-case letters, digits, '.', '_' and '-'.")
        _require(digest, DIGEST, "content digest", "Give artifact.manifest.digest().")
        version = Version(name=name, digest=digest, artifact=artifact_id, about=about, created=_now())
        twin = next((v for v in self.versions(name) if v.short == version.short and v.digest != digest), None)
        if twin is not None:
            raise NovelRayError(
                f"{twin.id} exists and has other content (digest {twin.digest}).", "Register under another name."
            )
        path = f"{ROOT}/{name}/versions/{digest}.json"
        return version if self.store.create(path, version.sealed()) else self._version(path)

    def alias(self, name: str, alias: str, digest: str) -> Version:
        """Point an alias of `name` at a version, given by at least 6 digits of its digest. It may be moved later."""
        _require(alias, NAME, "alias", "Use lower-case letters, digits, '.', '_' and '-'.")
        if re.fullmatch(rf"[0-9a-f]{{{SHORT}}}|[0-9a-f]{{64}}", alias):
            raise NovelRayError(f"The alias {alias!r} looks like a digest.", "Choose a name that cannot be mistaken.")
        version = self._by_digest(name, digest)
        before = self.aliases(name).get(alias)
        record = Alias(name=name, alias=alias, digest=version.digest, before=before, moved=_now())
        if before != version.digest:
            self.store.write(f"{ROOT}/{name}/aliases/{alias}.json", record.sealed())
        return version

    def moved_from(self, name: str, alias: str) -> str | None:
        """The digest that an alias pointed to until it was moved to where it points now."""
        path = f"{ROOT}/{name}/aliases/{alias}.json"
        return Alias.opened(self.store.read(path), path).before if self.store.exists(path) else None

    def resolve(self, reference: str) -> Version:
        """The version that `name`, `name@alias` or `name@digest` means now.

        A bare name means its alias `latest`, or without one the version registered last. Raises NovelRayError, with
        the nearest name, the aliases and the versions that there are.
        """
        name, separator, which = reference.partition("@")
        known = self.versions(name) if NAME.fullmatch(name) else []
        if not known:
            raise NovelRayError(f"There is no model {name!r} in the registry of {self.store.uri}.", self._suggest(name))
        aliases = self.aliases(name)
        if not separator:
            return self._by_digest(name, aliases["latest"]) if "latest" in aliases else known[-1]
        if which in aliases:
            return self._by_digest(name, aliases[which])
        return self._by_digest(name, which)

    def known_as(self, artifact_id: str) -> Version | None:
        """A version that this artifact is registered as, if it is."""
        return next((version for version in self.list() if version.artifact == artifact_id), None)

    def names(self) -> builtins.list[str]:
        """Names of the models, sorted."""
        return [name for name in self.store.folders(ROOT) if self.store.files(f"{ROOT}/{name}/versions")]

    def versions(self, name: str) -> builtins.list[Version]:
        """All versions of a model, the oldest first."""
        found = [self._version(entry.path) for entry in self.store.files(f"{ROOT}/{name}/versions")]
        return sorted(found, key=lambda version: (version.created, version.digest))

    def aliases(self, name: str) -> dict[str, str]:
        """Alias → full digest."""
        folder = f"{ROOT}/{name}/aliases"
        found = [(e.path, Alias.opened(self.store.read(e.path), e.path)) for e in self.store.files(folder)]
        return {path[len(folder) + 1 :].removesuffix(".json"): alias.digest for path, alias in found}

    def list(self) -> builtins.list[Version]:
        """Every version of every model: by name, the oldest first."""
        return [version for name in self.names() for version in self.versions(name)]

    def _version(self, path: str) -> Version:
        return Version.opened(self.store.read(path), path)

    def _by_digest(self, name: str, digest: str) -> Version:
        known = self.versions(name)
        found = [version for version in known if PREFIX.fullmatch(digest) and version.digest.startswith(digest)]
        if len(found) == 1:
            return found[0]
        aliases = [f"{name}@{alias}" for alias in self.aliases(name)]
        there = ", ".join([*aliases, *(version.id for version in known)])
        if found:
            raise NovelRayError(
                f"{name}@{digest} could be {len(found)} versions.", f"Give more digits of one of: {there}."
            )
        near = _nearest(digest, [option.partition("@")[2] for option in [*aliases, *(v.id for v in known)]])
        hint = f"Did you mean {name}@{near}? " if near else ""
        raise NovelRayError(f"There is no version {name}@{digest}.", f"{hint}There are: {there or 'none'}.")

    def _suggest(self, name: str) -> str:
        names = self.names()
        near = _nearest(name, names)
        if near:
            return f"Did you mean {near}? There are: {', '.join(names)}."
        return f"There are: {', '.join(names)}." if names else "It is empty: train a model first (novelray train)."


def _nearest(word: str, options: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)), None)


def _require(value: str, pattern: re.Pattern[str], what: str, hint: str) -> None:
    if not pattern.fullmatch(value):
        raise NovelRayError(f"{value!r} is not a valid {what}.", hint)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")

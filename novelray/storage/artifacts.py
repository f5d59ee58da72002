"""Artifacts: immutable results of a stage, found again by what they were made from.

    artifacts/<id>/<attempt>/...     the files of the attempt that won
    artifacts/<id>/manifest.json     written last; without it there is no artifact

`<id>` is a digest of (kind, stage version, inputs, recipe section), so the same work has the same id and is not done
twice. Each attempt writes below a name of its own: a killed one leaves nothing that a reader
could mistake for a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from novelray import __version__
from novelray.errors import DamagedError, NovelRayError
from novelray.storage.store import Store, sha256_of

FORMAT = 1
ROOT = "artifacts"
LIVE_S = 3600
"""Seconds during which an uncommitted attempt in an object store may still be at work."""


class FileRecord(BaseModel):
    """One file of an artifact: size in bytes and SHA-256 of its content."""

    model_config = ConfigDict(frozen=True)
    size: int
    sha256: str


class Manifest(BaseModel):
    """What an artifact is and where it came from. `inputs` maps a role to an artifact id or a content digest."""

    model_config = ConfigDict(frozen=True)
    format: int = FORMAT
    kind: str
    id: str
    stage_version: int
    inputs: dict[str, str]
    section: dict[str, Any]
    attempt: str
    files: dict[str, FileRecord]
    counts: dict[str, Any]
    created: str
    made_by: str

    @property
    def plan(self) -> Plan:
        """What the artifact was made from."""
        return Plan(self.kind, self.stage_version, self.inputs, self.section)

    def digest(self) -> str:
        """SHA-256 over every file's name and digest: the content, whatever run made it."""
        lines = "".join(f"{name} {record.sha256}\n" for name, record in sorted(self.files.items()))
        return hashlib.sha256(lines.encode()).hexdigest()


@dataclass(frozen=True)
class Plan:
    """What a stage is about to make: all that its identity depends on."""

    kind: str
    stage_version: int
    inputs: dict[str, str] = field(default_factory=dict)
    section: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.kind}-{digest_of([self.kind, self.stage_version, self.inputs, self.section])[:16]}"


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON value in canonical form (sorted keys, no spaces)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Artifacts:
    """The artifacts of one store. `cache` is where copies of remote ones are kept on this node."""

    def __init__(self, store: Store, cache: Path | None = None) -> None:
        self.store = store
        self.cache = cache or Path(os.environ.get("NOVELRAY_CACHE", "~/.cache/novelray")).expanduser()

    def find(self, artifact_id: str) -> Artifact | None:
        """The artifact with this id, or None. Raises DamagedError when its manifest does not parse."""
        path = f"{ROOT}/{artifact_id}/manifest.json"
        if not self.store.exists(path):
            return None
        try:
            manifest = Manifest.model_validate_json(self.store.read(path))
        except ValidationError as error:
            raise self._torn(artifact_id, error.errors()[0]["msg"]) from None
        if manifest.format > FORMAT:
            raise NovelRayError(
                f"{artifact_id} has format {manifest.format}, made by {manifest.made_by}; this version reads {FORMAT}.",
                "Update novelray.",
            )
        if not artifact_id == manifest.id == manifest.plan.id:
            raise self._torn(artifact_id, "what it says it was made from does not give this id")
        return Artifact(self, manifest)

    def _torn(self, artifact_id: str, how: str) -> DamagedError:
        return DamagedError(
            f"{artifact_id} is damaged: manifest.json: {how}.",
            f"Delete {self.store.uri}/{ROOT}/{artifact_id} and run the same command again: it is made anew.",
        )

    def get(self, artifact_id: str) -> Artifact:
        """The artifact with this id. Raises NovelRayError when there is none."""
        found = self.find(artifact_id)
        if found is None:
            raise NovelRayError(
                f"There is no artifact {artifact_id} in {self.store.uri}.", "Run the stage that makes it."
            )
        return found

    def all(self) -> Iterator[Artifact]:
        """Every committed artifact."""
        for name in self.store.folders(ROOT):
            found = self.find(name)
            if found is not None:
                yield found

    def begin(self, plan: Plan) -> Draft:
        """Start writing what `plan` describes, under an attempt name of its own."""
        return Draft(self, plan, f"attempt-{uuid.uuid4().hex[:12]}")


@dataclass(frozen=True)
class Draft:
    """An artifact being written. Nothing of it can be read before `commit`."""

    artifacts: Artifacts
    plan: Plan
    attempt: str

    @property
    def prefix(self) -> str:
        """Folder of this attempt, below the store's root."""
        return f"{ROOT}/{self.plan.id}/{self.attempt}"

    def write(self, name: str, data: bytes) -> None:
        self.artifacts.store.write(f"{self.prefix}/{name}", data)

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, json.dumps(value, ensure_ascii=False, indent=2).encode())

    def add_folder(self, local: Path, below: str = "") -> None:
        """Copy every file of a local folder in."""
        for path in sorted(p for p in local.rglob("*") if p.is_file()):
            name = path.relative_to(local).as_posix()
            self.artifacts.store.put(path, f"{self.prefix}/{below}{name}")

    def commit(self, counts: dict[str, Any] | None = None) -> Artifact:
        """Hash every file and write the manifest. The first attempt to commit wins; a later one adopts it."""
        store, plan = self.artifacts.store, self.plan
        try:
            files = self._hashed()
        except FileNotFoundError:  # the winner has removed this attempt's files
            return self.artifacts.get(plan.id)
        manifest = Manifest(
            kind=plan.kind, id=plan.id, stage_version=plan.stage_version, inputs=plan.inputs, section=plan.section,
            attempt=self.attempt, files=files, counts=counts or {}, made_by=f"novelray {__version__}",
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip
        if not store.create(f"{ROOT}/{plan.id}/manifest.json", manifest.model_dump_json(indent=2).encode()):
            self.discard()
            return self.artifacts.get(plan.id)
        self._remove_lost_attempts()
        return Artifact(self.artifacts, manifest)

    def _hashed(self) -> dict[str, FileRecord]:
        store, start = self.artifacts.store, len(self.prefix) + 1
        return {e.path[start:]: FileRecord(size=e.size, sha256=store.sha256(e.path)) for e in store.files(self.prefix)}

    def discard(self) -> None:
        """Remove what this attempt wrote."""
        self.artifacts.store.delete(self.prefix)

    def _remove_lost_attempts(self) -> None:
        """Remove what killed attempts left. In an object store a young one may be committing at this very moment."""
        store = self.artifacts.store
        before = time.time() - (0 if store.is_local else LIVE_S)
        for name in store.folders(f"{ROOT}/{self.plan.id}"):
            prefix = f"{ROOT}/{self.plan.id}/{name}"
            if name != self.attempt and all(entry.modified <= before for entry in store.files(prefix)):
                store.delete(prefix)


@dataclass(frozen=True)
class Artifact:
    """A committed artifact. Every way of reading it checks sizes and SHA-256 first."""

    artifacts: Artifacts
    manifest: Manifest

    @property
    def id(self) -> str:
        return self.manifest.id

    @property
    def counts(self) -> dict[str, Any]:
        return self.manifest.counts

    @property
    def prefix(self) -> str:
        return f"{ROOT}/{self.id}/{self.manifest.attempt}"

    @property
    def uri(self) -> str:
        return f"{self.artifacts.store.uri}/{self.prefix}"

    def read(self, name: str) -> bytes:
        """One file's bytes, verified. Raises DamagedError."""
        record = self.manifest.files.get(name)
        if record is None:
            raise DamagedError(f"{self.id} has no file {name!r}.", f"It has: {', '.join(sorted(self.manifest.files))}.")
        try:
            data = self.artifacts.store.read(f"{self.prefix}/{name}")
        except FileNotFoundError:
            raise self._damaged(name, "is missing") from None
        if len(data) != record.size or hashlib.sha256(data).hexdigest() != record.sha256:
            raise self._damaged(name, "does not match its SHA-256")
        return data

    def read_json(self, name: str) -> Any:
        return json.loads(self.read(name))

    def local(self) -> Path:
        """A local folder with all files, verified: the store's own where it is local, else a copy in the cache."""
        store = self.artifacts.store
        if store.is_local:
            folder = Path(store.full(self.prefix))
            for name, record in self.manifest.files.items():
                self._check(folder / name, name, record)
            return folder
        folder = self.artifacts.cache / self.id / self.manifest.attempt
        for name, record in self.manifest.files.items():
            if not _matches(folder / name, record):  # not there yet, or damaged in the cache
                self._fetch(name, folder / name)
                self._check(folder / name, name, record)
        return folder

    def verify(self) -> None:
        """Check every stored byte. Raises DamagedError naming the first bad file."""
        for name, record in self.manifest.files.items():
            try:
                found = self.artifacts.store.sha256(f"{self.prefix}/{name}")
            except FileNotFoundError:
                raise self._damaged(name, "is missing") from None
            if found != record.sha256:
                raise self._damaged(name, "does not match its SHA-256")

    def _fetch(self, name: str, target: Path) -> None:
        try:
            self.artifacts.store.get(f"{self.prefix}/{name}", target)
        except FileNotFoundError:
            raise self._damaged(name, "is missing") from None

    def _check(self, path: Path, name: str, record: FileRecord) -> None:
        if not path.is_file():
            raise self._damaged(name, "is missing")
        if not _matches(path, record):
            raise self._damaged(name, "does not match its SHA-256")

    def _damaged(self, name: str, how: str) -> DamagedError:
        return DamagedError(
            f"{self.id} is damaged: {name} {how}.",
            f"Delete {self.artifacts.store.uri}/{ROOT}/{self.id} and run the same command again: it is made anew.",
        )


def _matches(path: Path, record: FileRecord) -> bool:
    return path.is_file() and path.stat().st_size == record.size and sha256_of(path) == record.sha256


@dataclass(frozen=True)
class Link:
    """One step of a chain: an artifact (or a bare content digest) and the role it played for the one above."""

    role: str
    id: str
    depth: int
    manifest: Manifest | None


def trace(artifacts: Artifacts, artifact_id: str, role: str = "", depth: int = 0) -> Iterator[Link]:
    """Walk from an artifact back to the books, parents before their inputs."""
    found = artifacts.find(artifact_id)
    yield Link(role, artifact_id, depth, found.manifest if found else None)
    if found is not None:
        for name, source in found.manifest.inputs.items():
            yield from trace(artifacts, source, name, depth + 1)

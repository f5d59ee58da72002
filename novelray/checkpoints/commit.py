"""The commit protocol: how the state of a run gets to storage so that a crash at any moment loses at most one commit.

    runs/<run>/checkpoints/step-00000120-<attempt>/part-0-of-2.safetensors    one per rank, every tensor whole
                                                   part-0-of-2.json           its size and SHA-256
                                                   manifest.json              written last, by rank 0

Ranks do not talk to each other here: each writes its part, and rank 0 waits for all of them to appear in storage before
it writes the manifest. "Latest" is never stored; it is the newest commit whose bytes verify. A damaged one is reported
and the one before it is taken. Tensors are whole and named as in the model, in fp32 for weights and moments alike, so
a run can go on with any number of workers and any ZeRO stage. Nothing is pickled.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.errors import DamagedError, StorageError
from novelray.storage import Store
from novelray.storage.store import sha256_of

if TYPE_CHECKING:
    import torch

Tensors = dict[str, "torch.Tensor"]


@dataclass(frozen=True)
class Commit:
    """A commit whose manifest is there. `state` is what the run put in: cursor, metrics, recipe."""

    store: Store
    folder: str
    step: int
    state: dict[str, Any]
    parts: tuple[dict[str, Any], ...]

    def verify(self) -> None:
        """Check every byte. Raises DamagedError naming the file."""
        for part in self.parts:
            path = f"{self.folder}/{part['file']}"
            try:
                good = self.store.sha256(path) == part["sha256"]
            except FileNotFoundError:
                raise DamagedError(f"The checkpoint {path} is missing.", "The commit before it is used.") from None
            if not good:
                raise DamagedError(
                    f"The checkpoint {path} does not match its SHA-256.", "The commit before it is used."
                )

    def tensors(self, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[str, torch.Tensor]]:
        """The tensors whose names are wanted, one at a time, on the CPU; memory holds one of them."""
        from safetensors import safe_open

        with tempfile.TemporaryDirectory(prefix="novelray-commit-") as scratch:
            for part in self.parts:
                local = self._local(part["file"], Path(scratch))
                with safe_open(str(local), framework="pt", device="cpu") as stored:
                    for name in filter(wanted, stored.keys()):
                        yield name, stored.get_tensor(name)

    def _local(self, file: str, scratch: Path) -> Path:
        if self.store.is_local:
            return Path(self.store.full(f"{self.folder}/{file}"))
        self.store.get(f"{self.folder}/{file}", scratch / file)
        return scratch / file


class Committer:
    """Writes one rank's parts from a background thread: the training step waits only for the copy to memory.

    At most one commit is in flight; `save` waits for the one before. Errors of the thread surface at the next call.
    """

    def __init__(
        self, store: Store, run: str, attempt: str, rank: int, world: int, keep: int, wait_s: float = 600.0
    ) -> None:
        self._store, self._root, self._attempt = store, checkpoints_of(run), attempt
        self._rank, self._world, self._keep, self._wait_s = rank, world, keep, wait_s
        self._thread: threading.Thread | None = None
        self._error: Exception | None = None

    def save(self, step: int, tensors: Tensors, state: dict[str, Any]) -> None:
        """Start a commit of this rank's tensors (on the CPU, left alone from now on) and of rank 0's `state` (JSON)."""
        self.wait()
        folder = f"{self._root}/step-{step:08d}-{self._attempt}"
        self._thread = threading.Thread(
            target=self._run, args=(folder, step, tensors, state), name="commit", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when the commit in flight is done. Raises what went wrong with it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, folder: str, step: int, tensors: Tensors, state: dict[str, Any]) -> None:
        try:
            write_part(self._store, folder, self._rank, self._world, tensors)
            if self._rank == 0:
                parts = self._wait_for_parts(folder)
                manifest = {"format": 1, "step": step, "state": state, "parts": parts}
                self._store.write(f"{folder}/manifest.json", json.dumps(manifest, ensure_ascii=False).encode())
                retain(self._store, self._root, self._keep)
        except Exception as error:  # surfaces in the training thread
            self._error = error

    def _wait_for_parts(self, folder: str) -> list[dict[str, Any]]:
        deadline = time.monotonic() + self._wait_s
        names = [f"{folder}/{_part(r, self._world)}.json" for r in range(self._world)]
        while not all(self._store.exists(name) for name in names):
            if time.monotonic() > deadline:
                raise StorageError(
                    f"Not all {self._world} workers wrote their part of {folder} within {self._wait_s:.0f} s.",
                    "storage.root has to be reachable from every node: novelray doctor checks it.",
                )
            time.sleep(0.05)
        return [json.loads(self._store.read(name)) for name in names]


def write_part(store: Store, folder: str, rank: int, world: int, tensors: Tensors) -> None:
    """Write one rank's tensors and, once they are stored, their record."""
    from safetensors.torch import save_file

    name = _part(rank, world)
    with tempfile.TemporaryDirectory(prefix="novelray-commit-") as scratch:
        local = Path(scratch) / f"{name}.safetensors"
        save_file(tensors, str(local))
        record = {"file": local.name, "size": local.stat().st_size, "sha256": sha256_of(local)}
        store.put(local, f"{folder}/{local.name}")
    store.write(f"{folder}/{name}.json", json.dumps(record).encode())


def checkpoints_of(run: str) -> str:
    """Folder of a run's commits."""
    return f"{run}/checkpoints"


def commits(store: Store, run: str) -> Iterator[Commit]:
    """The commits of a run that have a readable manifest, newest step first."""
    root = checkpoints_of(run)
    for name in sorted(store.folders(root), reverse=True):
        try:
            manifest = json.loads(store.read(f"{root}/{name}/manifest.json"))
            yield Commit(store, f"{root}/{name}", manifest["step"], manifest["state"], tuple(manifest["parts"]))
        except (FileNotFoundError, ValueError, KeyError):
            continue  # an attempt that never committed, or a torn manifest: not a commit


def latest(store: Store, run: str, report: Callable[[str], None] = lambda text: None) -> Commit | None:
    """The newest commit that verifies, or None. Damaged ones are reported and skipped."""
    for commit in commits(store, run):
        try:
            commit.verify()
        except DamagedError as error:
            report(f"{error.message} Going on from the commit before it.")
            continue
        return commit
    return None


def best(store: Store, run: str, report: Callable[[str], None] = lambda text: None) -> Commit | None:
    """The commit with the lowest validation loss that verifies; the latest one when none was validated."""
    validated = [c for c in commits(store, run) if c.state.get("validation_loss") is not None]
    for commit in sorted(validated, key=lambda c: c.state["validation_loss"]):
        try:
            commit.verify()
        except DamagedError as error:
            report(error.message)
            continue
        return commit
    return latest(store, run, report)


def retain(store: Store, root: str, keep: int) -> None:
    """Delete all but the newest `keep` commits and the best one; and attempts older than those that never committed."""
    found = list(commits(store, root.removesuffix("/checkpoints")))
    validated = [c for c in found if c.state.get("validation_loss") is not None]
    champion = min(validated, key=lambda c: c.state["validation_loss"], default=None)
    kept = {c.folder for c in found[:keep]} | ({champion.folder} if champion else set())
    newest = found[0].folder if found else ""
    for name in store.folders(root):
        folder = f"{root}/{name}"
        if folder not in kept and folder < newest:
            store.delete(folder)


def _part(rank: int, world: int) -> str:
    return f"part-{rank}-of-{world}"

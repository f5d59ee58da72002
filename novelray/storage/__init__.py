"""Storage: local paths and object stores behind one protocol, and the immutable artifacts kept there."""

from novelray.storage.artifacts import Artifact, Artifacts, Draft, Manifest, Plan, digest_of, trace
from novelray.storage.store import Entry, Store

__all__ = ["Artifact", "Artifacts", "Draft", "Entry", "Manifest", "Plan", "Store", "digest_of", "trace"]

"""Whether a store can be written from here: tried out, since permissions and quotas only show that way."""

from __future__ import annotations

import uuid

from novelray.errors import NovelRayError
from novelray.storage.store import Store


def probe(store: Store) -> str | None:
    """Write a small file, read it back, delete it. What went wrong, or None."""
    path, data = f".probe-{uuid.uuid4().hex[:12]}", uuid.uuid4().bytes
    try:
        store.write(path, data)
        same = store.read(path) == data
        store.delete(path)
    except (NovelRayError, OSError) as error:
        return str(getattr(error, "message", error))
    return None if same else "what was written is not what is read back"

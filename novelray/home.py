"""The user's own folder: names of clusters, API keys, logs of failures. `NOVELRAY_HOME`, else `~/.novelray`."""

from __future__ import annotations

import os
from pathlib import Path


def user_folder() -> Path:
    """The folder, which may not exist yet."""
    return Path(os.environ.get("NOVELRAY_HOME") or "~/.novelray").expanduser()

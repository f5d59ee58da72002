"""`novelray export`: from a name in the registry to a folder for other programs."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from novelray.checkpoints.delivery import Delivery, Dtype, Form, deliver
from novelray.fleet.lineage import store_of
from novelray.registry import Registry
from novelray.storage import Artifacts


def export_model(
    reference: str, to: Path, form: Form, dtype: Dtype | None, recipe: Path, storage: str | None,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    """Write the version that `reference` (`name@alias`, `name@digest`) means now to the folder `to`.

    Raises NovelRayErrors for people, and leaves nothing then.
    """
    _quiet()
    artifacts = Artifacts(store_of(recipe, storage))
    version = Registry(artifacts.store).resolve(reference)
    say(f"export: {version.id} as {form}")
    deliver(artifacts, Delivery(version.artifact, version.id, form, to, dtype), say)
    files = sorted(path for path in to.iterdir() if path.is_file())
    size = sum(path.stat().st_size for path in files)
    say(f"export: {to} has {', '.join(path.name for path in files)}; {size / 1e6:,.1f} MB")


def _quiet() -> None:
    """No bars and remarks of the libraries among our lines."""
    os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("DS_LOG_LEVEL", "error")
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    from transformers.utils import logging

    logging.disable_progress_bar()

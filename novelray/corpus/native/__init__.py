"""The inner loops of the corpus stage, compiled: a pass over the characters of a text in place of many over arrays.

Each function here has a twin in Python, in the module that calls it, which says what it does and gives the same bytes;
it is what runs where nothing was compiled (no C compiler when the package was installed) or where
`NOVELRAY_PURE_PYTHON=1` is set. A module that has compiled twins asks for them once:

    _native = compiled("letters")
    ...
    if _native is not None:
        return _native.counts(text, classes, kinds)
"""

from __future__ import annotations

import importlib
import os
from typing import Any


def compiled(name: str) -> Any:
    """The compiled module of this name, or None where there is none or it is not wanted."""
    if os.environ.get("NOVELRAY_PURE_PYTHON", "0") not in ("", "0"):
        return None
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except ImportError:
        return None

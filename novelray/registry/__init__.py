"""The registry: under which names trained models are known, and what each came from."""

from novelray.registry.registry import Registry
from novelray.registry.table import HEADINGS, rows
from novelray.registry.version import Version, spell

__all__ = ["HEADINGS", "Registry", "Version", "rows", "spell"]

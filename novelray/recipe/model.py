"""Which model is trained."""

from __future__ import annotations

from typing import Any, Literal

from novelray.recipe.base import PositiveInt, Section
from novelray.recipe.longtext import AttentionSection, RopeSection


class ModelSection(Section):
    """The base model."""

    base: str = "scratch:nano"
    """A hub id (`Qwen/Qwen2.5-1.5B`), a local folder, a registered version (`name@digest`, `name@alias`), or
    `scratch:nano` / `scratch:mini`: a small Llama-shaped model trained here from nothing, which needs no download."""

    hub: Literal["huggingface", "modelscope"] = "huggingface"
    """Where hub ids are looked up. Nothing is downloaded unless `download` is true."""

    revision: str | None = None
    """Branch, tag or commit of a hub id. A commit makes the run reproducible."""

    download: bool = False
    """Allow fetching the base from the hub. When false, a hub id must be in the local cache already."""

    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for models whose code you have read."""

    position_limit: PositiveInt | None = None
    """Longest context of a `scratch:` model, in tokens. Default: 4 × `shards.context`, at least 2048."""

    rope: RopeSection | None = None
    """Extend what the base reads. Absent: as the base is."""

    attention: AttentionSection | None = None
    """Attention over long texts. Absent: as the base is, which for all but models of ours is `full`."""

    def changes(self) -> dict[str, Any]:
        """What of this section decides what a training stage makes, besides the base: part of its identity."""
        return {name: value.identity() for name in ("rope", "attention") if (value := getattr(self, name)) is not None}

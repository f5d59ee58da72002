"""Which model is trained."""

from __future__ import annotations

from typing import Literal

from novelray.recipe.base import PositiveInt, Section


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

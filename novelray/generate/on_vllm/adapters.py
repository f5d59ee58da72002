"""Adapters and styles as vLLM wants them: one LoRA per request, each under a name and a number that no other ever has.

vLLM's prefix cache knows an adapter by its name and its memory by its number, so an id that is loaded again gets new
ones: what was read with the old weights cannot be met by the new. A style of several adapters, or of one at another
weight than 1, becomes an adapter of its own (blend.py), made when it is first asked for and kept for a while.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novelray.errors import ModelError
from novelray.generate.lora import check_base
from novelray.generate.on_vllm.blend import rank_of, write_blend
from novelray.generate.protocol import RequestError

MOST_BLENDS = 32
"""Blends that are kept for the next request; one takes as much disk as its adapters."""

Key = tuple[tuple[int, float], ...]
"""A style as numbers of loads with their weights: another load of the same id is another style."""


@dataclass(frozen=True)
class Loaded:
    """An adapter that is there. `number`: which load of all this was."""

    folder: Path
    rank: int
    number: int
    lora: Any


class StyleAdapters:
    """The adapters of one vLLM engine, and the blends made of them."""

    def __init__(
        self, llm: Any, make_lora: Callable[..., Any], max_rank: int, base: dict[str, Any], base_digest: str | None
    ) -> None:
        """`max_rank`: vLLM's limit. `base`: what was changed in the base; `base_digest`: of its weights."""
        self._llm, self._make_lora, self._max_rank = llm, make_lora, max_rank
        self._base, self._base_digest = base, base_digest
        self._loaded: dict[str, Loaded] = {}
        self._blends: dict[Key, tuple[Path, asyncio.Future[Any]]] = {}  # the least used first
        self._count = 0
        self._place = tempfile.TemporaryDirectory(prefix="novelray-styles-")

    def __contains__(self, adapter_id: object) -> bool:
        return adapter_id in self._loaded

    async def load(self, adapter_id: str, folder: str) -> None:
        """Have vLLM read a PEFT folder. Loading an id again changes nothing. Raises ModelError when it does not fit."""
        if adapter_id in self._loaded:
            return
        rank = rank_of(Path(folder), adapter_id)
        check_base(Path(folder), adapter_id, self._base, self._base_digest)
        if rank > self._max_rank:
            raise ModelError(
                f"The adapter {adapter_id} has rank {rank}; this engine takes {self._max_rank}.",
                "Raise serve.max_adapter_rank.",
            )
        lora = self._lora(adapter_id, Path(folder))
        try:
            await self._llm.add_lora(lora)
        except Exception as error:
            raise ModelError(
                f"The adapter {adapter_id} does not fit this base: {' '.join(str(error).split())[:300]}",
                "Load it on the base it came from.",
            ) from error
        self._loaded[adapter_id] = Loaded(Path(folder), rank, lora.lora_int_id, lora)

    async def unload(self, adapter_id: str) -> None:
        """Forget an adapter and the blends it is part of; ids that are not loaded are ignored."""
        gone = self._loaded.pop(adapter_id, None)
        if gone is None:
            return
        await self._llm.remove_lora(gone.number)
        for key in [k for k in self._blends if gone.number in dict(k)]:
            await self._drop(key)

    def check(self, style: Mapping[str, float]) -> None:
        """Raise RequestError for a style whose adapters together have more ranks than vLLM was started for."""
        used = _used(style)
        rank = sum(self._loaded[adapter].rank for adapter in used)
        if rank > self._max_rank:
            raise RequestError(
                f"The adapters of this style have {rank} ranks together; this engine takes {self._max_rank}.",
                "Weigh fewer adapters, or raise serve.max_adapter_rank.",
            )

    def key(self, style: Mapping[str, float]) -> Key:
        """What tells this style from others; empty for the base."""
        return tuple(sorted((self._loaded[adapter].number, weight) for adapter, weight in _used(style).items()))

    async def lora(self, key: Key, in_use: Collection[Key]) -> Any:
        """vLLM's LoRARequest for a style, None for the base. Blends of `in_use` are not thrown away."""
        if not key:
            return None
        known = {loaded.number: loaded for loaded in self._loaded.values()}
        if len(key) == 1 and key[0][1] == 1.0:
            return known[key[0][0]].lora
        if key not in self._blends:
            parts = [(known[number].folder, weight) for number, weight in key]
            folder = Path(self._place.name) / str(self._count + 1)
            self._blends[key] = folder, asyncio.ensure_future(self._blended(folder, parts))
        folder, made = self._blends[key] = self._blends.pop(key)
        try:
            lora = await asyncio.shield(made)
        except Exception:
            self._blends.pop(key, None)
            raise
        spare = max(0, len(self._blends) - MOST_BLENDS)
        for old in [k for k in self._blends if k not in in_use and k != key][:spare]:
            await self._drop(old)
        return lora

    def close(self) -> None:
        """Delete the blends."""
        self._place.cleanup()

    async def _blended(self, folder: Path, parts: list[tuple[Path, float]]) -> Any:
        lora = self._lora(folder.name, folder)
        await asyncio.to_thread(write_blend, folder, parts)
        await self._llm.add_lora(lora)  # now, where an error is an answer: while it steps it would end vLLM's process
        return lora

    async def _drop(self, key: Key) -> None:
        folder, made = self._blends.pop(key)
        if made.done() and made.exception() is None:
            await self._llm.remove_lora(made.result().lora_int_id)
        shutil.rmtree(folder, ignore_errors=True)

    def _lora(self, name: str, folder: Path) -> Any:
        self._count += 1
        return self._make_lora(lora_name=f"{name}#{self._count}", lora_int_id=self._count, lora_path=str(folder))


def _used(style: Mapping[str, float]) -> dict[str, float]:
    return {adapter: weight for adapter, weight in style.items() if weight}

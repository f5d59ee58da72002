"""A classifier over a stream: text is held back until the piece that it belongs to is cleared.

A check is any callable `check(text, context)`, plain or async, that returns None for a piece that may be shown, or in
a word why not. A plain one runs in a thread of its own, so that the other streams go on.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from novelray.errors import RecipeError
from novelray.generate.protocol import Engine

log = logging.getLogger(__name__)

CONTEXT_CHARS = 2000
"""Characters before a piece that a check is told as well."""

MOST_CHARS = 1000
"""A piece that has not ended after so many is checked as it is: a text without full stops is not held for ever."""

_ENDS, _CLOSING = frozenset("。！？!?…．."), frozenset("”’」』）》〉】\"')]」")
_NUMBERED = frozenset(".．")  # 3.14 is no end of a sentence

FAILED = "check_failed"


class Check(Protocol):
    """Says of a piece of text whether it may be shown. `context`: what stands before it, at most CONTEXT_CHARS."""

    def __call__(self, text: str, context: str) -> str | Awaitable[str | None] | None: ...


class Pieces:
    """Cuts a stream into sentences, with what closes them and the white space after, or into paragraphs."""

    def __init__(self, unit: Literal["sentence", "paragraph"]) -> None:
        self._sentences = unit == "sentence"
        self._held: list[str] = []
        self._ended = False

    def push(self, text: str) -> list[str]:
        """The pieces that are whole now. What begins the next one is known to be no part of the last."""
        found = []
        for char in text:
            if self._held and (self._begins(char) or len(self._held) >= MOST_CHARS):
                found += self.flush()
            self._held.append(char)
            self._ended = self._ends(char)
        return found

    def flush(self) -> list[str]:
        """What is left, when no more text will come."""
        held, self._held, self._ended = "".join(self._held), [], False
        return [held] if held else []

    def _begins(self, char: str) -> bool:
        if not self._ended or char == "\n":
            return False
        return not (self._sentences and (char.isspace() or char in _ENDS or char in _CLOSING))

    def _ends(self, char: str) -> bool:
        if char == "\n":
            return True
        if not self._sentences:
            return False
        if char in _NUMBERED:
            return self._held[-2:-1] != [] and not self._held[-2].isdigit()
        return char in _ENDS or (self._ended and (char in _CLOSING or char.isspace()))


@dataclass(frozen=True)
class Checker:
    """A check with its limits; shared by all streams."""

    check: Check
    unit: Literal["sentence", "paragraph"] = "sentence"
    timeout_s: float = 5.0
    fails_open: bool = False
    """Whether text is shown that the check failed on, or took too long for."""

    async def verdict(self, text: str, context: str) -> tuple[str | None, bool]:
        """Why a piece may not be shown, or None; and whether the check failed on it."""
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._ask(text, context), False
        except Exception as error:
            log.warning("the check of a piece of %d characters failed: %r", len(text), error)
            return None if self.fails_open else FAILED, True

    async def _ask(self, text: str, context: str) -> str | None:
        plain = not inspect.iscoroutinefunction(self.check) and not inspect.iscoroutinefunction(
            getattr(self.check, "__call__", None)  # noqa: B004
        )
        found = await asyncio.to_thread(self.check, text, context) if plain else self.check(text, context)
        if inspect.isawaitable(found):
            found = await found
        if not (found is None or isinstance(found, str)):
            raise TypeError(f"the check returned {type(found).__name__}, neither None nor a text")
        return found


def head_check(engine: Engine, task: str, classes: tuple[str, ...], above: float) -> Check:
    """A check by a head of the served model: no piece is shown that is one of `classes` with more than `above`.

    Raises RecipeError when the model has no such head or the head no such class.
    """
    heads = engine.heads()
    if task not in heads:
        raise RecipeError(
            f"serve.guard.check.head is {task!r}, and the model's heads are {', '.join(heads) or 'none'}.",
            "Name one of them, or train the model with train.tasks.",
        )
    if unknown := [name for name in classes if name not in heads[task]]:
        raise RecipeError(
            f"serve.guard.check.classes has {unknown[0]!r}, which the head {task} does not know.",
            f"It knows {', '.join(heads[task])}.",
        )

    async def check(text: str, context: str) -> str | None:
        ids = engine.encode(text)
        if not ids or not text.strip():
            return None
        found = dict(zip(heads[task], (await engine.classify(ids))[task], strict=True))
        worst = max(classes, key=found.__getitem__)
        return worst if found[worst] > above else None

    return check


def imported_check(place: str) -> Check:
    """The check at `module:attribute`. Raises RecipeError."""
    module, _, attribute = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except Exception as error:  # a module may raise whatever it likes
        raise RecipeError(
            f"serve.guard.check.call {place!r} cannot be imported: {type(error).__name__}: {error}",
            "It must be module:attribute, importable on every node.",
        ) from None
    if not callable(found):
        raise RecipeError(f"serve.guard.check.call {place!r} is nothing that can be called.", "Name a function.")
    return cast(Check, found)

"""An engine whose answers are watched: text passes three filters on its way out, each of which may hold it back.

    engine → copies of the training books → blocked terms → a classifier → client

It wraps any engine, because it sees nothing but the stream. Steering away from a copy needs the engine's help; where
an engine has none to give, the answer ends at the same place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, cast

from novelray.generate.guard import audit
from novelray.generate.guard.check import CONTEXT_CHARS, FAILED, Checker, Pieces
from novelray.generate.guard.copying import CopyRun, Limits
from novelray.generate.guard.index import CopyIndex
from novelray.generate.guard.steer import Steerer
from novelray.generate.guard.terms import Match, TermFilter, Terms
from novelray.generate.protocol import Chunk, Engine, Intervention, Request, TokenLogprob


@dataclass
class Guard:
    """What is watched in all answers of one engine. What is None is not watched."""

    version: str = ""
    """The served model's immutable id, for the audit."""
    index: CopyIndex | None = None
    limits: Limits = field(default_factory=lambda: Limits(60, 200))
    steerer: Steerer | None = None
    terms: Terms | None = None
    masks: bool = False
    checker: Checker | None = None

    @property
    def active(self) -> bool:
        """Whether anything is watched."""
        return any(part is not None for part in (self.index, self.terms, self.checker))


class GuardedEngine:
    """Implements `Engine` around another one; all but `generate` is the other's own."""

    def __init__(self, engine: Engine, guard: Guard) -> None:
        self.engine, self.guard = engine, guard

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    async def generate(self, request: Request) -> AsyncIterator[Chunk]:
        """See `Engine.generate`. A chunk may come without text: its tokens' text is held back."""
        steering = self.guard.steerer.new() if self.guard.steerer is not None else None
        before = self.engine.decode(request.resumed) if request.resumed else ""
        answer = _Answer(self.guard, request, () if steering is None else steering.steered, before)
        asked = request if steering is None else replace(request, steering=steering)
        async with aclosing(cast(Any, self.engine.generate(asked))) as chunks:
            async for chunk in chunks:
                cleared = await answer.take(chunk)
                yield cleared
                if cleared.finish_reason is not None:
                    return


def guarded(engine: Engine, guard: Guard) -> Engine:
    """The engine with a guard; itself where nothing is watched."""
    return cast(Engine, GuardedEngine(engine, guard)) if guard.active else engine


class _Answer:
    """One stream on its way out. Offsets count the characters that the engine gave, which masks do not change.

    Text goes out with the last of its tokens: an answer may be taken up again after any chunk.
    """

    def __init__(self, guard: Guard, request: Request, steered: Any, before: str) -> None:
        """`steered`: what the engine was kept from; a list that may grow. `before`: what was given before this."""
        self._guard, self._request, self._steered = guard, request, steered
        self._run = CopyRun.after(before, guard.index, guard.limits) if guard.index is not None else None
        self._terms = TermFilter(guard.terms, guard.masks, before) if guard.terms is not None else None
        self._pieces = Pieces(guard.checker.unit) if guard.checker is not None else None
        self._given = [before]
        self._length = len(before)  # of all given
        self._cleared = len(before)
        self._held = ""  # cleared, but its token is not
        self._context = before[-CONTEXT_CHARS:]
        self._waiting: deque[tuple[int, int, Chunk]] = deque()  # chunks whose text is not all cleared, with its offsets
        self._masked: list[Match] = []
        self._seen_steered = 0
        self._done: list[Intervention] = []

    async def take(self, chunk: Chunk) -> Chunk:
        """What may be shown after one more chunk; with a finish reason when this is the end."""
        start, self._length = self._length, self._length + len(chunk.text)
        self._given.append(chunk.text)
        self._waiting.append((start, self._length, chunk))
        self._note_steered()
        text, cut = self._without_copy(chunk.text)
        text, stopped = self._without_terms(text, cut or chunk.finish_reason is not None)
        ended = cut or stopped or chunk.finish_reason is not None
        text, refused = await self._checked(text, ended)
        reason = "content_filter" if cut or stopped or refused else chunk.finish_reason
        return self._chunk(chunk, text, reason)

    def _note_steered(self) -> None:
        for start, length in self._steered[self._seen_steered :]:
            if start + length > self._length:
                return  # the engine is ahead of the stream
            self._seen_steered += 1
            self._note("copying", "steer", start, length)

    def _without_copy(self, text: str) -> tuple[str, bool]:
        run = self._run
        at = None if run is None else run.push(text)
        if run is None or at is None:
            return text, False
        self._note("copying", "stop", run.start, run.offset - run.start)
        return text[:at], True

    def _without_terms(self, text: str, ends: bool) -> tuple[str, bool]:
        if self._terms is None:
            return text, False
        shown, found = self._terms.push(text)
        if ends and not self._terms.stopped:
            rest, more = self._terms.flush()
            shown, found = shown + rest, found + more
        for match in found:
            self._note("terms", "mask" if self._guard.masks else "stop", match.start, match.end - match.start)
        self._masked += found
        return shown, self._terms.stopped

    async def _checked(self, text: str, ends: bool) -> tuple[str, bool]:
        if self._pieces is None or self._guard.checker is None:
            self._cleared += len(text)
            return text, False
        shown: list[str] = []
        for piece in [*self._pieces.push(text), *(self._pieces.flush() if ends else ())]:
            why, failed = await self._guard.checker.verdict(piece, self._context)
            if failed or why is not None:
                rule = FAILED if failed else "check"
                self._note(rule, "pass" if why is None else "stop", self._cleared, len(piece))
            if why is not None:
                return "".join(shown), True
            shown.append(piece)
            self._cleared += len(piece)
            self._context = (self._context + piece)[-CONTEXT_CHARS:]
        return "".join(shown), False

    def _chunk(self, last: Chunk, text: str, reason: Any) -> Chunk:
        """What is cleared as a chunk: whole tokens, but for the end. Log-probabilities of masked text do not go out."""
        tokens: list[int] = []
        logprobs: list[TokenLogprob] = []
        while self._waiting and self._waiting[0][1] <= self._cleared:
            start, end, chunk = self._waiting.popleft()
            tokens += chunk.token_ids
            if not any(m.start < end and start < m.end for m in self._masked):
                logprobs += chunk.logprobs
        self._masked = [m for m in self._masked if m.end > self._cleared]
        text, self._held = self._held + text, ""
        if self._waiting and reason is None and (part := self._cleared - self._waiting[0][0]) > 0:
            text, self._held = text[:-part], text[-part:]
        return replace(
            last, text=text, finish_reason=reason, interventions=self._told(reason is not None),
            token_ids=tuple(tokens), logprobs=tuple(logprobs),
        )  # fmt: skip

    def _told(self, ends: bool) -> tuple[Intervention, ...]:
        """What goes out with the text that it was about: whoever takes the answer up after this chunk meets the rest
        again. A run was steered away from only once something else follows it."""
        out = self._cleared - len(self._held)
        told = [d for d in self._done if ends or d.offset + d.length + (d.action == "steer") <= out]
        self._done = [d for d in self._done if d not in told]
        return tuple(told)

    def _note(self, rule: str, action: str, offset: int, length: int) -> None:
        done = Intervention(rule, action, offset, length)
        self._done.append(done)
        text = "".join(self._given)[offset : offset + length]
        audit.write(done, self._request, self._guard.version, text)

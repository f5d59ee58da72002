"""The embedded engine: a model's forward, stepped by one background thread, streaming into asyncio.

Requests join and leave the batch at every step. The thread sleeps on a condition while there is nothing to do, and
hands what was made to the event loop in one call. Not in here: tensor parallelism.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from novelray.errors import NovelRayError
from novelray.generate.batcher import Batcher
from novelray.generate.detokenise import Vocabulary
from novelray.generate.forward import fastest
from novelray.generate.generation import Event, Generation
from novelray.generate.limits import check_prompt, check_style, context_of, end_ids, new_tokens
from novelray.generate.prompts import Prompts
from novelray.generate.protocol import Capacity, Chunk, EngineError, Request, RequestError
from novelray.generate.steady import make_steady
from novelray.generate.stepper import Stepper
from novelray.generate.stream import Stream
from novelray.models.heads import Head, check_fit

log = logging.getLogger(__name__)

PREFIX_BYTES = 512 * 2**20
"""Memory for prompts that may come again, where nothing else is asked for."""

PIECES_PER_S = 500
"""Most pieces a second that all streams together are handed: each costs the server and the network processor time that
the model needs. One reader gets every token at once, 32 get theirs every 64 ms."""

FRAME_S = 1 / 30
"""Least time between two pieces of a stream as soon as there are several: as smooth as a film."""

Order = tuple[Callable[[], Any], Future[Any]]
"""What the thread is to do between two steps, and where the result goes."""


class EmbeddedEngine:
    """Implements `novelray.generate.protocol.Engine` for any transformers causal language model with full attention.

    The engine owns the model from here on: it changes the memory layout of its weights (not their values) and puts
    adapters into it. `context`: tokens, prompt and answer together; default: all that the model has positions for.
    `model_id`: immutable id, named in errors. `base_digest`: adapters made for another base are refused.
    `heads`: the model's own, for `classify`. `prefix_bytes`: memory for prompts that may come again; 0: none.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        max_batch: int = 8,
        max_queue: int = 32,
        context: int | None = None,
        model_id: str = "",
        base_digest: str | None = None,
        heads: Sequence[Head] = (),
        prefix_bytes: int = PREFIX_BYTES,
    ) -> None:
        check_fit(model, heads)
        self._heads = tuple(heads)
        self.model_id = model_id or type(model).__name__
        self._context = context_of(model, context)
        self._end_ids = end_ids(model, tokenizer)
        self._prompts = Prompts(tokenizer)
        make_steady(model.eval())
        self._batcher = Batcher(max_batch, max_queue)
        self.vocabulary = Vocabulary(tokenizer)
        self._stepper = Stepper(
            model, self.vocabulary, self._batcher, self._context, base_digest, fastest(model), prefix_bytes
        )
        self._vocabulary_size = self._stepper.vocabulary_size
        self._changed = threading.Condition()  # guards all below
        self._arrived: list[Generation] = []
        self._orders: list[Order] = []
        self._live: dict[str, Generation] = {}
        self._closing = False
        self._posted = self._stepped = 0.0  # when pieces went out last, and when the step began
        self._made: dict[asyncio.AbstractEventLoop, list[tuple[Stream, Event]]] = {}  # the thread's own
        self._thread = threading.Thread(target=self._run, name="novelray-engine", daemon=True)
        self._thread.start()

    async def generate(self, request: Request) -> AsyncIterator[Chunk]:
        """See `Engine.generate`."""
        stream = Stream()
        generation = self._submit(request, asyncio.get_running_loop(), stream)
        try:
            while True:
                event = await stream.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if event.finish_reason is not None:
                    return
        finally:
            generation.cancelled = True  # seen at the next step; without effect when it has ended
            with self._changed:
                if self._live.get(request.id) is generation:
                    del self._live[request.id]

    def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        with self._changed:
            if request_id in self._live:
                self._live[request_id].cancelled = True

    async def restyle(self, request_id: str, style: Mapping[str, float]) -> bool:
        """See `Engine.restyle`."""
        check_style(style, self._stepper.adapters, self.model_id)
        with self._changed:
            found = self._live.get(request_id)
            if found is not None:
                found.style = dict(style)
        return found is not None

    async def load_adapter(self, adapter_id: str, folder: str) -> None:
        """Make a LoRA adapter available. Raises ModelError when it is not readable or belongs to another base."""
        await self._in_thread(lambda: self._stepper.adapters.load(adapter_id, folder))

    async def unload_adapter(self, adapter_id: str) -> None:
        """Remove an adapter. Raises RequestError while a request runs or waits for it."""

        def unload() -> None:
            if self._batcher.uses(adapter_id):
                raise RequestError(f"The adapter {adapter_id} is in use.", "Wait for its requests, or cancel them.")
            self._stepper.adapters.unload(adapter_id)

        await self._in_thread(unload)

    def capacity(self) -> Capacity:
        """See `Engine.capacity`."""
        batcher = self._batcher
        with self._changed:
            waiting = len(batcher.waiting) + len(self._arrived)
        return Capacity(
            len(batcher.rows), waiting, batcher.max_batch, batcher.max_queue, self._context, self._vocabulary_size
        )

    def heads(self) -> Mapping[str, tuple[str, ...]]:
        """See `Engine.heads`."""
        return {head.name: head.classes for head in self._heads}

    async def classify(self, prompt_ids: Sequence[int]) -> Mapping[str, Sequence[float]]:
        """See `Engine.classify`. A text is read in one piece, between two steps of those that are written."""
        check_prompt(prompt_ids, self._context, self._vocabulary_size)
        with self._changed:
            self._batcher.check_room(len(self._arrived) + len(self._orders))
        found: Mapping[str, Sequence[float]] = await self._in_thread(
            lambda: self._stepper.classify(self._heads, prompt_ids)
        )
        return found

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`. May be called from any thread."""
        return self._prompts.encode(text)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """See `Engine.encode_chat`. May be called from any thread."""
        return self._prompts.encode_chat(messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Engine.decode`."""
        return self._prompts.decode(token_ids)

    async def close(self) -> None:
        """End every stream as cancelled, stop the thread, drop the model. Closing twice is fine."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join)
        self._stepper.release()

    def _submit(self, request: Request, loop: asyncio.AbstractEventLoop, stream: Stream) -> Generation:
        """Check a request and hand it to the thread. Raises what `generate` documents."""
        if self._closing:
            raise EngineError("The engine is closing.", "Send the request to another replica.")
        limit = new_tokens(request, self._context, self._vocabulary_size)
        check_style(request.style, self._stepper.adapters, self.model_id)

        def deliver(event: Event) -> None:
            self._made.setdefault(loop, []).append((stream, event))

        generation = Generation(request, limit, self._end_ids, self._stepper.vocabulary, deliver)
        with self._changed:
            if self._closing:
                raise EngineError("The engine is closing.", "Send the request to another replica.")
            if request.id in self._live:
                raise RequestError(f"The request id {request.id!r} is running already.", "Give each request its own.")
            self._batcher.check_room(len(self._arrived))
            self._arrived.append(generation)
            self._live[request.id] = generation
            self._changed.notify()
        return generation

    async def _in_thread(self, order: Callable[[], Any]) -> Any:
        """Have the thread do something between two steps; returns what comes of it."""
        done: Future[Any] = Future()
        with self._changed:
            if self._closing:
                raise EngineError("The engine is closing.")
            self._orders.append((order, done))
            self._changed.notify()
        return await asyncio.wrap_future(done)

    def _run(self) -> None:
        while True:
            orders, closing = self._wait()
            if closing:
                break
            self._step(orders)
        self._end(orders)

    def _wait(self) -> tuple[list[Order], bool]:
        """Sleep until there is something to do, and take in who arrived. The thread itself holds on to none of them."""
        with self._changed:
            while not (self._arrived or self._orders or self._closing or not self._stepper.idle):
                self._changed.wait()
            for generation in self._arrived:
                self._batcher.submit(generation)
            orders, self._arrived, self._orders = self._orders, [], []
            return orders, self._closing

    def _step(self, orders: list[Order]) -> None:
        self._stepped = time.monotonic()
        for order, done in orders:
            _obey(order, done)
        try:
            if self._stepper.prefill():
                self._post()
            self._stepper.decode()
            if self._due():
                self._post()
        except Exception as error:  # an error outside the model's forward: nobody may be left waiting
            log.exception("the engine's step failed")
            self._stepper.fail_all(EngineError(f"The engine failed: {type(error).__name__}: {error}", "Try again."))
            self._post()

    def _end(self, orders: list[Order]) -> None:
        for generation in (*self._batcher.rows, *self._batcher.waiting):
            generation.cancelled = True
        self._stepper.drop_cancelled()
        self._post()
        for _, done in orders:
            done.set_exception(EngineError("The engine is closing."))

    def _due(self) -> bool:
        """Whether what was made has to go out: an end at once, pieces as often as PIECES_PER_S and FRAME_S allow."""
        readers = len(self._batcher.rows)
        pace = max(FRAME_S, readers / PIECES_PER_S) if readers > 1 else 0.0
        now = time.monotonic()
        soonest = self._posted + pace - (now - self._stepped) / 2  # the step that ends nearest to it
        return now >= soonest or any(
            isinstance(event, Exception) or event.finish_reason for made in self._made.values() for _, event in made
        )

    def _post(self) -> None:
        """Hand what was made to the event loops, one call each."""
        self._posted = time.monotonic()
        for loop, made in self._made.items():
            try:
                loop.call_soon_threadsafe(_put, made)
            except RuntimeError:  # the loop is closed: nobody reads any more
                for generation in self._batcher.rows:
                    generation.cancelled = True
        self._made = {}


def _put(made: list[tuple[Stream, Event]]) -> None:
    for stream, event in made:
        stream.put(event)


def _obey(order: Callable[[], Any], done: Future[Any]) -> None:
    try:
        result = order()
    except Exception as error:
        known = isinstance(error, NovelRayError)
        done.set_exception(error if known else EngineError(f"{type(error).__name__}: {error}"))
    else:
        done.set_result(result)

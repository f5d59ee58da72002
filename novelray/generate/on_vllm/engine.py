"""vLLM behind our protocol: it makes tokens, and everything that a reader sees is made of them here.

Token ids go in, token ids and log-probabilities come out; text, stops, lengths in characters, loops and the reason for
the end are those of the embedded engine, since the same `Generation` makes them. It has not been run on vLLM, for want
of a GPU: it is written against vLLM 0.29.0, and tested with a stand-in that has the methods of its AsyncLLM.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from novelray.errors import NovelRayError
from novelray.generate.batcher import Batcher
from novelray.generate.detokenise import Vocabulary
from novelray.generate.generation import Generation
from novelray.generate.limits import check_style, new_tokens
from novelray.generate.on_vllm.adapters import Key, StyleAdapters
from novelray.generate.on_vllm.params import params_of
from novelray.generate.prompts import Prompts
from novelray.generate.protocol import Capacity, Chunk, EngineError, Request, RequestError, TokenLogprob
from novelray.generate.stream import Stream

log = logging.getLogger(__name__)

EMBEDDED = "Set serve.engine to embedded for that."


@dataclass(frozen=True)
class Vllm:
    """What is used of vLLM: an AsyncLLM, and what its arguments are made with."""

    llm: Any
    sampling_params: Callable[..., Any]
    """SamplingParams with `output_kind` DELTA."""
    lora_request: Callable[..., Any]
    tokens: Callable[[list[int]], Any]
    """A prompt of token ids."""


@dataclass(frozen=True)
class Served:
    """What the engine has to know of the model: sizes in tokens, ids that end a text, its name in errors."""

    context: int
    vocabulary: int
    end_ids: frozenset[int]
    model_id: str = "the model"
    max_rank: int = 16
    changes: dict[str, Any] = field(default_factory=dict)
    base_digest: str | None = None


@dataclass
class _Running:
    """A request in vLLM. `key`: its style's."""

    generation: Generation
    stream: Stream
    key: Key
    task: asyncio.Task[None] | None = None


class VllmEngine:
    """Implements `novelray.generate.protocol.Engine`. To be used in one event loop, as vLLM's own is."""

    def __init__(self, vllm: Vllm, tokenizer: Any, served: Served, *, max_batch: int = 8, max_queue: int = 32) -> None:
        """`max_batch`: vLLM's max_num_seqs. `max_queue`: requests beyond those; more are refused."""
        self._vllm, self._served = vllm, served
        self._prompts, self.vocabulary = Prompts(tokenizer), Vocabulary(tokenizer)
        self._batcher = Batcher(max_batch, max_queue)  # vLLM admits in the same order: first come, first served
        self._adapters = StyleAdapters(vllm.llm, vllm.lora_request, served.max_rank, served.changes, served.base_digest)
        self._live: dict[str, _Running] = {}
        self._closing = False

    async def generate(self, request: Request) -> AsyncIterator[Chunk]:
        """See `Engine.generate`."""
        running = self._submit(request)
        try:
            while True:
                event = await running.stream.get()
                if isinstance(event, Exception):
                    raise event
                yield event
                if event.finish_reason is not None:
                    return
        finally:
            self._leave(running)

    def cancel(self, request_id: str) -> None:
        """See `Engine.cancel`."""
        running = self._live.get(request_id)
        if running is not None and not running.generation.finished:
            running.generation.cancel()
            self._leave(running)

    async def restyle(self, request_id: str, style: Mapping[str, float]) -> bool:
        """Raises RequestError for a running request: vLLM keeps the adapter that a request began with."""
        self._check_style(style)
        if request_id in self._live:
            raise RequestError("vLLM does not change the style of a text that is being written.", EMBEDDED)
        return False

    async def load_adapter(self, adapter_id: str, folder: str) -> None:
        """See `Engine.load_adapter`. Raises ModelError when it is not readable or belongs to another base."""
        await self._adapters.load(adapter_id, folder)

    async def unload_adapter(self, adapter_id: str) -> None:
        """Remove an adapter. Raises RequestError while a request runs or waits for it."""
        if self._batcher.uses(adapter_id):
            raise RequestError(f"The adapter {adapter_id} is in use.", "Wait for its requests, or cancel them.")
        await self._adapters.unload(adapter_id)

    def capacity(self) -> Capacity:
        """See `Engine.capacity`. Raises EngineError when vLLM's own process has died."""
        if self._vllm.llm.errored and not self._closing:
            raise EngineError("vLLM's engine has died.", "Its log says why; the replica is started again.")
        batcher, served = self._batcher, self._served
        return Capacity(
            len(batcher.rows), len(batcher.waiting), batcher.max_batch, batcher.max_queue, served.context,
            served.vocabulary,
        )  # fmt: skip

    def encode(self, text: str) -> tuple[int, ...]:
        """See `Engine.encode`. May be called from any thread."""
        return self._prompts.encode(text)

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """See `Engine.encode_chat`. May be called from any thread."""
        return self._prompts.encode_chat(messages)

    def decode(self, token_ids: Sequence[int]) -> str:
        """See `Engine.decode`."""
        return self._prompts.decode(token_ids)

    def heads(self) -> Mapping[str, tuple[str, ...]]:
        """None: vLLM does not compute them."""
        return {}

    async def classify(self, prompt_ids: Sequence[int]) -> Mapping[str, Sequence[float]]:
        """Raises RequestError: vLLM does not compute a model's heads beside its texts."""
        raise RequestError("vLLM does not compute a model's heads.", EMBEDDED)

    async def close(self) -> None:
        """End every stream as cancelled and stop vLLM. Closing twice is fine."""
        if self._closing:
            return
        self._closing = True
        tasks = [running.task for running in self._live.values() if running.task is not None]
        for request_id in list(self._live):
            self.cancel(request_id)
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._vllm.llm.shutdown)
        self._adapters.close()

    def _submit(self, request: Request) -> _Running:
        """Check a request and hand it to vLLM. Raises what `generate` documents."""
        if request.resumed or request.slides:
            raise RequestError("vLLM does not go on with a text beyond its context, nor after a break.", EMBEDDED)
        if self._closing:
            raise EngineError("The engine is closing.", "Send the request to another replica.")
        limit = new_tokens(request, self._served.context, self._served.vocabulary)
        self._check_style(request.style)
        if request.id in self._live:
            raise RequestError(f"The request id {request.id!r} is running already.", "Give each request its own.")
        self._batcher.check_room(0)
        stream = Stream()
        generation = Generation(request, limit, self._served.end_ids, self.vocabulary, stream.put)
        running = self._live[request.id] = _Running(generation, stream, self._adapters.key(request.style))
        self._batcher.submit(generation)
        self._batcher.admit()
        running.task = asyncio.create_task(self._run(running))
        return running

    def _check_style(self, style: Mapping[str, float]) -> None:
        check_style(style, self._adapters, self._served.model_id)
        self._adapters.check(style)

    def _leave(self, running: _Running) -> None:
        """Nobody reads this request any more: vLLM aborts it when its task is cancelled."""
        if running.task is not None:
            running.task.cancel()
        self._free(running.generation)
        request_id = running.generation.request.id
        if self._live.get(request_id) is running:
            del self._live[request_id]

    def _free(self, generation: Generation) -> None:
        """Give its place back; a second time has no effect."""
        if generation in self._batcher.rows:
            self._batcher.remove(generation)
        elif generation in self._batcher.waiting:
            self._batcher.waiting.remove(generation)
        self._batcher.admit()

    async def _run(self, running: _Running) -> None:
        """Read one request's tokens until its text has ended, for whichever reason; leaving vLLM's iterator aborts."""
        generation = running.generation
        try:
            lora = await self._adapters.lora(running.key, {other.key for other in self._live.values()})
            async with aclosing(self._ask(generation, lora)) as outputs:
                async for output in outputs:
                    self._take(generation, output)
                    if generation.finished and not output.finished:
                        return
            if not generation.finished:
                generation.fail(EngineError("vLLM ended the request without an end of its text.", "Try again."))
        except Exception as error:
            told = _explained(error)
            if isinstance(told, EngineError):
                log.exception("vLLM failed on a request")
            generation.fail(told)
        finally:
            self._free(generation)

    def _ask(self, generation: Generation, lora: Any) -> Any:
        request = generation.request
        seed = secrets.randbits(62) if request.sampling.seed is None else request.sampling.seed
        ends = frozenset(i for i in generation.ends if i < self._served.vocabulary)
        asked = params_of(request.sampling, max(1, generation.limit), ends, seed)  # vLLM cannot write nothing
        if request.scores_prompt:
            asked["prompt_logprobs"] = request.sampling.logprobs or 0
        prompt = self._vllm.tokens(list(request.prompt_ids))
        return self._vllm.llm.generate(prompt, self._vllm.sampling_params(**asked), request.id, lora_request=lora)

    def _take(self, generation: Generation, output: Any) -> None:
        generation.found = output.num_cached_tokens or 0
        if output.prompt_logprobs:
            pairs = zip(generation.prompt, output.prompt_logprobs, strict=True)
            generation.score([self._score(generation, token, found) for token, found in pairs])
        if not generation.limit:
            return generation.write_nothing()
        (made,) = output.outputs
        for at, token in enumerate(made.token_ids):
            if generation.finished:
                return
            found = made.logprobs[at] if made.logprobs else None
            generation.accept(int(token), self._named(generation, int(token), found))

    def _score(self, generation: Generation, token: int, found: Any) -> TokenLogprob:
        """Of a token of the prompt; for the first one vLLM has None."""
        scored = self._named(generation, token, found)
        return TokenLogprob(token, self.vocabulary.show(token), math.nan) if scored is None else scored

    def _named(self, generation: Generation, token: int, found: Any) -> TokenLogprob | None:
        """`found`: vLLM's entries by token id, the chosen one among them."""
        count = generation.request.sampling.logprobs
        if count is None or found is None:
            return None
        show = self.vocabulary.show
        likeliest = sorted(((entry.logprob, i) for i, entry in found.items()), key=lambda pair: -pair[0])[:count]
        return TokenLogprob(token, show(token), found[token].logprob, tuple((i, show(i), v) for v, i in likeliest))


def _explained(error: Exception) -> NovelRayError:
    if isinstance(error, NovelRayError):
        return error
    if any(kind.__name__ == "VLLMClientError" for kind in type(error).__mro__):
        return RequestError(f"vLLM does not take this request: {error}", "Lower the value it names.")
    cause = error.__cause__ or error  # vLLM wraps what went wrong in an error without words
    what = f"{type(cause).__name__}: {cause}".strip(": ")
    return EngineError(f"vLLM failed on this request: {what}", "Try again; the replica's log says more.")

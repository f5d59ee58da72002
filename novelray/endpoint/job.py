"""From a checked request body to what the engine is asked: model, token ids, seeds, one request for each choice."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2.exceptions import TemplateError

from novelray.endpoint.errors import ApiError, model_not_found
from novelray.endpoint.schemas import (
    SEEDS,
    ChatMessage,
    ChatRequest,
    ClassifyRequest,
    CompletionRequest,
    SamplingFields,
)
from novelray.endpoint.settings import ServedModel, Settings
from novelray.endpoint.shapes import ChatShape, CompletionShape, Shape
from novelray.generate.protocol import Engine, Request, Sampling

LONG_TEXT = 4_000
"""Characters from which a text is tokenised off the event loop, so that other streams go on meanwhile."""

CHARS_PER_TOKEN = 64
"""No real text packs more characters into a token: past this a prompt is refused without being tokenised."""


@dataclass(frozen=True)
class Job:
    """A request that is ready to run."""

    id: str
    model: ServedModel
    body: SamplingFields
    shape: Shape
    requests: tuple[Request, ...]
    prompt_tokens: int
    seed: int
    style: tuple[dict[str, Any], ...] = ()
    created: int = field(default_factory=lambda: int(time.time()))

    def provenance(self) -> dict[str, Any]:
        """What made the answer: version, adapters, seed (choice i of `n` uses seed + i) and the sampling as applied."""
        applied = _plain(self.requests[0].sampling)
        applied.pop("seed")
        made_by = {"version": self.model.id, "adapter": self.model.adapter, "style": list(self.style)}
        return {**made_by, "seed": self.seed, "sampling": applied}


class Planner:
    """Turns bodies into jobs. Raises ApiError for a model that is not here or a prompt that does not fit."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._one_long_text = asyncio.Lock()

    def model(self, name: str | None) -> ServedModel:
        found = self._settings.find(name or None)
        if found is None and name and name in self._settings.refused:
            raise ApiError(404, self._settings.refused[name], param="model", code="model_not_found")
        if found is None:
            raise model_not_found(str(name), [m.id for m in self._settings.models])
        return found

    def style(self, asked: Mapping[str, float] | None) -> dict[str, float]:
        """Weights by adapter id, for adapters by any of their names. Raises ApiError for what is no adapter here."""
        found: dict[str, float] = {}
        for name, weight in (asked or {}).items():
            model = self._settings.find(name)
            if not name or model is None or model.adapter is None:
                raise _no_adapter(name, self._settings)
            if model.adapter in found:
                raise _bad("style", f"{name!r} names {model.id} a second time")
            found[model.adapter] = weight
        return found

    def applied(self, style: Mapping[str, float]) -> list[dict[str, Any]]:
        """A style as answers tell it: ids, digests and weights."""
        digests = {model.adapter: model.digest for model in self._settings.models}
        return [{"id": a, "digest": digests.get(a, ""), "weight": weight} for a, weight in style.items()]

    def seeing(self, settings: Settings) -> Planner:
        """The same planner for somebody who sees these models only."""
        other = copy.copy(self)
        other._settings = settings
        return other

    async def completion(self, body: CompletionRequest) -> Job:
        model = self.model(body.model)
        if body.max_tokens == 0 and not body.echo:
            raise _bad("max_tokens", "0 goes with echo only: there is nothing to answer")
        prompts = [await self.encode(p) if isinstance(p, str) else tuple(p) for p in body.prompts]
        self._check_prompts(prompts, "prompt")  # before anything is decoded
        texts = [p if isinstance(p, str) else self._engine.decode(p) for p in body.prompts] if body.echo else []
        echoed = [text for text in texts for _ in range(body.choices)] or [""] * (len(prompts) * body.choices)
        scores = bool(body.echo) and body.logprobs is not None
        return self._job(model, body, CompletionShape(echoed, scores), prompts, scores)

    async def texts(self, body: ClassifyRequest) -> list[tuple[int, ...]]:
        """The token ids of each text to classify."""
        found = [await self.encode(t, "input") if isinstance(t, str) else tuple(t) for t in body.inputs]
        self._check_prompts(found, "input")
        self._check_number("input", len(found), "texts")
        return found

    async def chat(self, body: ChatRequest) -> Job:
        model = self.model(body.model)
        ids = await self.encode_chat(body.messages)
        self._check_prompts([ids], "messages")
        return self._job(model, body, ChatShape(), [ids])

    async def encode(self, text: str, param: str = "prompt") -> tuple[int, ...]:
        """Token ids of a prompt. `param`: the field that it came in."""
        self._refuse_hopeless(len(text), param)
        if len(text) < LONG_TEXT:
            return self._engine.encode(text)
        async with self._one_long_text:
            return await asyncio.to_thread(self._engine.encode, text)

    async def encode_chat(self, messages: list[ChatMessage]) -> tuple[int, ...]:
        """Token ids of a chat."""
        plain = [m.plain() for m in messages]
        chars = sum(len(m["content"]) for m in plain)
        self._refuse_hopeless(chars, "messages")
        try:
            if chars < LONG_TEXT:
                return self._engine.encode_chat(plain)
            async with self._one_long_text:
                return await asyncio.to_thread(self._engine.encode_chat, plain)
        except TemplateError as error:
            raise ApiError(422, f"The model's chat template refuses this: {error}.", param="messages") from None

    def _refuse_hopeless(self, chars: int, param: str) -> None:
        context = self._engine.capacity().context
        if chars > context * CHARS_PER_TOKEN:
            message = f"The prompt has {chars} characters; the model's context is {context} tokens. Shorten it."
            raise ApiError(400, message, param=param, code="context_length_exceeded")

    def _job(
        self, model: ServedModel, body: SamplingFields, shape: Shape, prompts: list[tuple[int, ...]],
        scores: bool = False,
    ) -> Job:  # fmt: skip
        self._check_body(body, len(prompts) * body.choices)
        job_id = f"{shape.id_prefix}-{uuid.uuid4().hex}"
        seed = secrets.randbelow(2**31) if body.seed is None or body.seed == -1 else body.seed % SEEDS
        samplings = [
            body.sampling(self._settings.max_tokens_default, (seed + choice) % SEEDS) for choice in range(body.choices)
        ]
        pairs = [(ids, sampling) for ids in prompts for sampling in samplings]
        style = model.styled(self.style(body.style))
        requests = tuple(Request(f"{job_id}-{i}", *pair, style, scores_prompt=scores) for i, pair in enumerate(pairs))
        applied = tuple(self.applied(style))
        return Job(job_id, model, body, shape, requests, sum(map(len, prompts)), seed, applied)

    def _check_prompts(self, prompts: list[tuple[int, ...]], param: str) -> None:
        capacity = self._engine.capacity()
        for ids in prompts:
            if not ids:
                raise _bad(param, "there is no text in it")
            if len(ids) >= capacity.context:
                message = f"The prompt has {len(ids)} tokens; the model's context is {capacity.context}. Shorten it."
                raise ApiError(400, message, param=param, code="context_length_exceeded")
            if capacity.vocabulary and max(ids) >= capacity.vocabulary:
                raise _bad(param, f"{max(ids)} is no token id; they lie below {capacity.vocabulary}")

    def _check_body(self, body: SamplingFields, answers: int) -> None:
        capacity = self._engine.capacity()
        self._check_number("n", answers, "answers")
        named = {
            "logit_bias": map(int, body.logit_bias or ()),
            "custom_token_bans": body.custom_token_bans or (),
            "stop_token_ids": body.stop_token_ids or (),
        }
        for param, ids in named.items():
            if capacity.vocabulary and any(token >= capacity.vocabulary for token in ids):
                raise _bad(param, f"token ids lie below {capacity.vocabulary}")
        for least, most in (("min_tokens", body.new_tokens), ("min_chars", body.max_chars)):
            if most is not None and (getattr(body, least) or 0) > most:
                raise _bad(least, f"it is more than {least.replace('min', 'max')}, which is {most}")

    def _check_number(self, param: str, asked: int, what: str) -> None:
        capacity = self._engine.capacity()
        most = capacity.max_batch + capacity.max_queue
        if asked > most:
            raise _bad(param, f"{asked} {what} are more than the {most} that one request can ask for")


def _bad(param: str, what: str) -> ApiError:
    return ApiError(422, f"{param}: {what}.", param=param, code="invalid_value")


def _no_adapter(name: str, settings: Settings) -> ApiError:
    there = ", ".join(m.id for m in settings.models if m.adapter) or "none"
    why = settings.refused.get(name, f"There is no adapter {name!r} here.")
    return ApiError(404, f"style: {why} Adapters: {there}.", param="style", code="adapter_not_found")


def _plain(sampling: Sampling) -> dict[str, Any]:
    """Only what was asked for: neutral values say nothing."""
    neutral = Sampling()
    values = {f.name: getattr(sampling, f.name) for f in dataclasses.fields(sampling)}
    return {k: v for k, v in values.items() if k in ("max_tokens", "temperature") or v != getattr(neutral, k)}

"""What an engine is. The embedded engine and vLLM stand behind this protocol and pass the same contract tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from novelray.errors import EXIT_RETRY, NovelRayError

FinishReason = Literal["stop", "length", "cancelled", "content_filter"]
"""`stop`: the model, a stop string, a stop token or a loop; `length`: tokens, characters or the context are used up;
`content_filter`: the guard ended it (novelray/generate/guard)."""

LOOP = "loop"
"""The `stop_reason` of a text that went round in a circle."""

if TYPE_CHECKING:
    from novelray.generate.detokenise import Vocabulary


class QueueFullError(NovelRayError):
    """The engine's bounded queue has no room. `retry_after_s`: seconds after which a place is likely."""

    def __init__(self, waiting: int, retry_after_s: int) -> None:
        super().__init__(f"{waiting} requests are waiting already.", f"Try again in {retry_after_s} s.")
        self.waiting = waiting
        self.retry_after_s = retry_after_s


class AdaptersBusyError(QueueFullError):
    """Every place for an adapter is taken by one that a running text needs."""

    def __init__(self, places: int, retry_after_s: int) -> None:
        NovelRayError.__init__(
            self, f"All {places} places for adapters are in use.", f"Try again in {retry_after_s} s."
        )
        self.waiting, self.retry_after_s = 0, retry_after_s


class PromptTooLongError(NovelRayError):
    """The prompt leaves no room for a new token in the model's context."""

    def __init__(self, tokens: int, context: int) -> None:
        super().__init__(f"The prompt has {tokens} tokens; the model's context is {context}.", "Shorten the prompt.")
        self.tokens = tokens
        self.context = context


class RequestError(NovelRayError):
    """A request that this engine cannot run: a token id outside the vocabulary, a sampler value out of range."""


class EngineError(NovelRayError):
    """The engine failed on a request that was in order (out of memory, logits that are no numbers, closed)."""

    exit_code = EXIT_RETRY


DRY_BREAKERS = ("\n", ":", '"', "*", *"。！？…「」『』“”：，、；《》—")
"""Where DRY's repetitions end unless a request says otherwise: the original's four, and the marks of Chinese prose."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen and where the text ends. Neutral values switch a thing off and cost nothing.

    Tokens that `min_tokens` or `min_chars` hold back are those that end a text: the model's own and `stop_token_ids`;
    stop strings end it at any length. Characters are counted as `novelray.generate.reading` does.
    """

    max_tokens: int = 256  # 0: the prompt is read and nothing written
    min_tokens: int = 0  # before that many no token ends the text
    max_chars: int | None = None  # counted characters, exact
    min_chars: int = 0  # counted characters; before that many no token ends the text
    temperature: float = 1.0  # 0: the likeliest token
    temperature_last: bool = False  # after the samplers that cut, not before them
    top_p: float = 1.0
    top_k: int = 0  # 0 or less: off
    min_p: float = 0.0
    typical_p: float = 1.0
    xtc_probability: float = 0.0  # how often the likeliest tokens are left out
    xtc_threshold: float = 0.1  # of those that are at least this likely, all but the least likely
    repetition_penalty: float = 1.0  # over prompt and output
    repetition_penalty_range: int = 0  # their last tokens; 0: all
    presence_penalty: float = 0.0  # over the output
    frequency_penalty: float = 0.0  # over the output
    dry_multiplier: float = 0.0  # over prompt and output
    dry_base: float = 1.75
    dry_allowed_length: int = 2  # tokens
    dry_penalty_last_n: int = 0  # tokens; 0 or less: all
    dry_sequence_breakers: tuple[str, ...] = DRY_BREAKERS
    seed: int | None = None  # None: drawn anew for each request
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    loop_repeats: int = 0  # a unit that stands so often in a row ends the text; 0: off
    ignore_eos: bool = False
    logprobs: int | None = None  # how many alternatives to report per token; None: no logprobs
    logit_bias: Mapping[int, float] = field(default_factory=dict)


class Steering(Protocol):
    """Takes tokens out of one request's choice. Used by the engine's own thread only."""

    def start(self, vocabulary: Vocabulary) -> None:
        """Tells what tokens there are, before the first one."""
        ...

    def banned(self) -> Sequence[int]:
        """Tokens that must not come next. Never all of them."""
        ...

    def push(self, token_id: int) -> None:
        """This token came."""
        ...


@dataclass(frozen=True)
class Intervention:
    """Something that the guard did to an answer.

    `rule`: copying, terms, check or check_failed. `action`: stop, steer, mask or pass. `offset` and `length` are
    characters of the answer's own text.
    """

    rule: str
    action: str
    offset: int
    length: int


@dataclass(frozen=True)
class Request:
    """One generation. `style`: adapters by immutable id (`name@digest`), each with its weight; empty: the base.

    An adapter at weight 1 is as it was trained, at 0.5 half of what it adds, and several are added up.

    `resumed`: the first tokens of the answer, written before, by another replica or another process. They are not given
    again: the answer goes on after them as if it had never stopped, with the random numbers, penalties, stop strings
    and counts that it would have had, and `max_tokens`, `max_chars` and the usage count them. They end where a chunk
    ended. The model reads them as a prompt; where that adds up in another order than writing them did, a near tie may
    fall the other way.

    `slides`: the context does not end the answer; `novelray.generate.windows` says what is read from there on.

    `scores_prompt`: the log-probabilities of the prompt's tokens are asked for too, with as many alternatives as
    `sampling.logprobs` says. Such a prompt is read whole, whatever of it was read before.
    """

    id: str
    prompt_ids: tuple[int, ...]
    sampling: Sampling = Sampling()
    style: Mapping[str, float] = field(default_factory=dict)
    caller: str = ""  # name of the API key, for the guard's audit
    steering: Steering | None = None  # engines that cannot steer ignore it
    resumed: tuple[int, ...] = ()
    slides: bool = False
    scores_prompt: bool = False


@dataclass(frozen=True)
class TokenLogprob:
    """A token with its log-probability (nats) and the `top` alternatives, likeliest first.

    NaN for the first token of a prompt: there is nothing before it.
    """

    token_id: int
    text: str
    logprob: float
    top: tuple[tuple[int, str, float], ...] = ()


@dataclass(frozen=True)
class Usage:
    """Tokens of a request so far. `cached_tokens` of the prompt had been read before and were not read again."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True)
class Chunk:
    """A piece of the answer. `text` holds whole characters only. The last chunk alone has a `finish_reason`.

    `stop_reason`, as in vLLM, is what ended it where something else than the model did: the stop string, the id of the
    stop token, `loop`. `prompt_logprobs`: where they were asked for, one for each token of the prompt, on the first
    chunk.
    """

    text: str
    token_ids: tuple[int, ...]
    usage: Usage
    logprobs: tuple[TokenLogprob, ...] = ()
    finish_reason: FinishReason | None = None
    stop_reason: int | str | None = None
    interventions: tuple[Intervention, ...] = ()
    prompt_logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Capacity:
    """How busy an engine is, and its limits."""

    running: int
    waiting: int
    max_batch: int
    max_queue: int
    context: int
    vocabulary: int = 0  # token ids lie below this; 0: not known


class Engine(Protocol):
    """Generates for many requests at once. All methods are called from one asyncio loop."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens, and what each adds to a text."""
        ...

    def generate(self, request: Request) -> AsyncIterator[Chunk]:
        """Stream the answer. Closing the iterator cancels the request within one step.

        Raises QueueFullError, PromptTooLongError, RequestError and ModelError (unknown adapter) before the first
        chunk, and EngineError at any time.
        """
        ...

    def cancel(self, request_id: str) -> None:
        """Stop a request; its stream ends with finish_reason `cancelled`. Unknown ids are ignored."""
        ...

    async def restyle(self, request_id: str, style: Mapping[str, float]) -> bool:
        """Change the adapters of a running request and their weights, from its next token on.

        Returns whether such a request runs.

        Raises ModelError for an adapter that is not loaded, RequestError for a weight that is no number.
        """
        ...

    async def load_adapter(self, adapter_id: str, folder: str) -> None:
        """Make a LoRA adapter (a PEFT folder) available under an immutable id."""
        ...

    async def unload_adapter(self, adapter_id: str) -> None:
        """Remove an adapter once no running request uses it."""
        ...

    def capacity(self) -> Capacity: ...

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids of a prompt, as the model saw texts in training: no special tokens but its BOS, if any."""
        ...

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> tuple[int, ...]:
        """Token ids of a chat; models without a chat template get the messages joined as one text."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids, special tokens left out."""
        ...

    def heads(self) -> Mapping[str, tuple[str, ...]]:
        """The classes that each head of the model tells apart, by the head's name; none for a model without heads."""
        ...

    async def classify(self, prompt_ids: Sequence[int]) -> Mapping[str, Sequence[float]]:
        """What each head says of a text: the probabilities of its classes, in their order.

        Raises QueueFullError, PromptTooLongError, RequestError and EngineError.
        """
        ...

    async def close(self) -> None:
        """Cancel what runs and free the model."""
        ...

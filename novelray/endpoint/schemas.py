"""The bodies of requests. Unknown fields are tolerated, null means not given, and values are checked against ranges."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from novelray.endpoint import aliases
from novelray.generate.protocol import DRY_BREAKERS, Sampling

SEEDS = 2**63
"""Seeds are whole numbers below this; others are taken modulo it."""

MOST_CHARS = 10_000_000
"""Characters that a request may ask for; more than a novel has."""

TOKENS_PER_CHAR = 4
"""Most tokens that a counted character takes, and the white space between."""

LOOP_REPEATS = 4
"""How often a unit stands in a row in what `stop_on_loop: true` takes for a loop."""

XTC = {"xtc_threshold"}
DRY = {"dry_base", "dry_allowed_length", "dry_penalty_last_n"}
"""What only means something where the sampler is on."""

SAME = XTC | DRY | {
    "min_tokens", "max_chars", "min_chars", "temperature", "temperature_last", "min_p", "xtc_probability",
    "repetition_penalty", "presence_penalty", "frequency_penalty", "dry_multiplier",
}  # fmt: skip
"""Fields that the engine takes as they are."""


def _false_is_none(value: Any) -> Any:
    return None if value is False else value


def _encodable(value: str) -> str:
    """JSON can escape half of a surrogate pair, which is no character: tokenizers and answers would choke on it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("there is half a surrogate pair in it") from None
    return value


Number = Annotated[float, Field(allow_inf_nan=False)]
Words = Annotated[str, AfterValidator(_encodable)]
Text = Annotated[Words, Field(min_length=1)]
TokenId = Annotated[StrictInt, Field(ge=0, lt=2**31)]
TokenIds = Annotated[list[TokenId], Field(min_length=1)]
Breakers = Annotated[list[Annotated[Text, Field(max_length=64)]], Field(max_length=64)]
Bias = Annotated[float, Field(ge=-100, le=100)]
TokenKey = Annotated[str, Field(pattern=r"^\d{1,9}$")]
Style = Annotated[dict[Text, Annotated[Number, Field(ge=-2, le=2)]], Field(max_length=8)]
"""Adapters by name, each with its weight."""

Value = TypeVar("Value", int, float)


class StreamOptions(BaseModel):
    """`include_usage`: one more chunk at the end, with the usage and no choices."""

    include_usage: bool | None = False


class SamplingFields(BaseModel):
    """What completions and chats have in common."""

    model_config = ConfigDict(extra="ignore")

    model: str | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    min_tokens: Annotated[int, Field(ge=0)] | None = None
    max_chars: Annotated[int, Field(ge=1, le=MOST_CHARS)] | None = None
    min_chars: Annotated[int, Field(ge=0, le=MOST_CHARS)] | None = None
    temperature: Annotated[Number, Field(ge=0, le=5)] | None = None
    temperature_last: bool | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    typical_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    xtc_probability: Annotated[Number, Field(ge=0, le=1)] | None = None
    xtc_threshold: Annotated[Number, Field(ge=0, le=1)] | None = None
    repetition_penalty: Annotated[Number, Field(gt=0, le=10)] | None = None
    repetition_penalty_range: Annotated[int, Field(ge=-1)] | None = None
    presence_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    frequency_penalty: Annotated[Number, Field(ge=-2, le=2)] | None = None
    dry_multiplier: Annotated[Number, Field(ge=0, le=100)] | None = None
    dry_base: Annotated[Number, Field(ge=1, le=10)] | None = None
    dry_allowed_length: Annotated[int, Field(ge=1)] | None = None
    dry_penalty_last_n: Annotated[int, Field(ge=-1)] | None = None
    dry_sequence_breakers: Annotated[Breakers | None, BeforeValidator(aliases.texts)] = None
    seed: Annotated[int, Field(ge=-(2**63), lt=2**64)] | None = None
    stop: Words | Annotated[list[Words], Field(max_length=64)] | None = None
    stop_token_ids: Annotated[list[TokenId], Field(max_length=64)] | None = None
    stop_on_loop: Annotated[StrictInt, Field(ge=2, le=100)] | StrictBool | None = None
    logit_bias: Annotated[
        Annotated[dict[TokenKey, Bias], Field(max_length=1024)] | None, BeforeValidator(aliases.biases)
    ] = None
    custom_token_bans: Annotated[
        Annotated[list[TokenId], Field(max_length=1024)] | None, BeforeValidator(aliases.ids)
    ] = None
    ignore_eos: bool | None = False
    style: Style | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = 1
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    user: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_any_name(cls, body: Any) -> Any:
        return aliases.canonical(body)

    @property
    def choices(self) -> int:
        """Answers per prompt."""
        return self.n or 1

    @property
    def wants_usage_chunk(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def new_tokens(self) -> int | None:
        """The most tokens to generate, if the request says."""
        return self.max_tokens

    @property
    def alternatives(self) -> int | None:
        """How many alternatives per token to report; None: no logprobs."""
        raise NotImplementedError

    def sampling(self, default_max_tokens: int, seed: int) -> Sampling:
        """What the engine is asked for. `seed` is that of one choice; what was not given is neutral.

        Without `max_tokens`, the default gives way to what `min_tokens` or a number of characters needs.
        """
        stops = [self.stop] if isinstance(self.stop, str) else self.stop or []
        chars = max(self.max_chars or 0, self.min_chars or 0)
        off = set() if self.dry_multiplier else DRY
        off |= set() if self.xtc_probability else XTC
        values = {name: value for name in SAME - off if (value := getattr(self, name)) is not None}
        return Sampling(
            **values,
            max_tokens=_or(self.new_tokens, max(default_max_tokens, self.min_tokens or 0, chars * TOKENS_PER_CHAR)),
            top_p=max(_or(self.top_p, 1.0), 1e-6),  # 0 means: the likeliest token alone
            top_k=max(self.top_k or 0, 0),
            typical_p=self.typical_p or 1.0,  # some front ends say 0 for off
            repetition_penalty_range=max(self.repetition_penalty_range or 0, 0),
            dry_sequence_breakers=self._breakers,
            seed=seed,
            stop=tuple(s for s in stops if s),
            stop_token_ids=tuple(self.stop_token_ids or ()),
            loop_repeats=LOOP_REPEATS if self.stop_on_loop is True else int(self.stop_on_loop or 0),
            ignore_eos=bool(self.ignore_eos),
            logprobs=self.alternatives,
            logit_bias=self.biases,
        )

    @property
    def _breakers(self) -> tuple[str, ...]:
        """An empty list means none; without DRY they do not matter."""
        given = self.dry_sequence_breakers if self.dry_multiplier else None
        return DRY_BREAKERS if given is None else tuple(given)

    @property
    def biases(self) -> dict[int, float]:
        """The bias of each token; one that is banned has the lowest there is."""
        given = {int(token): bias for token, bias in (self.logit_bias or {}).items()}
        return given | dict.fromkeys(self.custom_token_bans or (), aliases.BAN)


class CompletionRequest(SamplingFields):
    """`POST /v1/completions`: continue a text, several texts, or token ids."""

    prompt: (
        Text | TokenIds | Annotated[list[Text], Field(min_length=1)] | Annotated[list[TokenIds], Field(min_length=1)]
    )
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    echo: bool | None = False
    logprobs: Annotated[Annotated[int, Field(ge=0, le=20)] | None, BeforeValidator(_false_is_none)] = None

    @property
    def alternatives(self) -> int | None:
        return self.logprobs

    @property
    def prompts(self) -> list[str | list[int]]:
        """One entry for each prompt, whatever form they came in."""
        return as_list(self.prompt)


class ContentPart(BaseModel):
    """A part of a message. Only text is understood."""

    type: Literal["text"]
    text: Words


class ChatMessage(BaseModel):
    """One message; `developer` is another word for `system`."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Words | list[ContentPart] | None = None

    def plain(self) -> dict[str, str]:
        """The message as the engine takes it."""
        content = self.content if isinstance(self.content, str) else "".join(p.text for p in self.content or [])
        return {"role": "system" if self.role == "developer" else self.role, "content": content}


class ChatRequest(SamplingFields):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = False
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    @property
    def alternatives(self) -> int | None:
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def new_tokens(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens


class StyleRequest(BaseModel):
    """`POST /v1/completions/{id}/style`: how a text goes on. What is not named any more is left out from now on."""

    style: Style


class ChapterRequest(SamplingFields):
    """`POST /v1/chapters`: a prompt or a chat to go on with in the background. One text, never streamed from here."""

    prompt: Text | TokenIds | None = None
    messages: Annotated[list[ChatMessage], Field(min_length=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="after")
    def _has_one_beginning(self) -> ChapterRequest:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give a prompt or messages, one of them")
        return self


class TokenizeRequest(BaseModel):
    """`POST /v1/tokenize`: count before you send."""

    model: str | None = None
    prompt: Words | None = None
    messages: list[ChatMessage] | None = None


class ClassifyRequest(BaseModel):
    """`POST /v1/classify`: what a head of the model says of a text, several texts, or token ids."""

    model: str | None = None
    input: Text | TokenIds | Annotated[list[Text], Field(min_length=1)] | Annotated[list[TokenIds], Field(min_length=1)]
    task: str | None = None

    @property
    def inputs(self) -> list[str | list[int]]:
        """One entry for each text, whatever form they came in."""
        return as_list(self.input)


def as_list(given: Any) -> list[str | list[int]]:
    """A text, token ids, or a list of either, as a list with an entry for each."""
    return [given] if isinstance(given, str) or isinstance(given[0], int) else list(given)


def _or(value: Value | None, neutral: Value) -> Value:
    return neutral if value is None else value

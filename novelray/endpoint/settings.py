"""What an endpoint is told when it starts: plain values, so that they fit a Serve config file as well as a test."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from novelray.endpoint.limits import KeyLimits
from novelray.recipe.serve import ChaptersSection

Seconds = Annotated[float, Field(gt=0)]


class ServedModel(BaseModel):
    """A version that answers requests. `id` is immutable (`name@digest`); `aliases` are other names for it."""

    model_config = ConfigDict(frozen=True)

    id: str
    aliases: tuple[str, ...] = ()
    adapter: str | None = None
    """The engine's id of the adapter to use; None: the model as loaded."""

    parent: str | None = None
    """Id of the base of an adapter."""

    digest: str = ""
    """The whole content digest, where it is known."""

    created: int = Field(default_factory=lambda: int(time.time()))
    """Unix time, in seconds."""

    def styled(self, style: Mapping[str, float]) -> dict[str, float]:
        """What the engine is asked for: the model's own adapter, whole unless the style weighs it, and the style's."""
        return ({} if self.adapter is None else {self.adapter: 1.0}) | dict(style)

    @classmethod
    def of(cls, version: str, aliases: Iterable[str] = ("latest",), **other: Any) -> ServedModel:
        """The version `name@digest`, which also answers to `name` and to `name@alias` for each alias."""
        name = version.partition("@")[0]
        names = (name, *(f"{name}@{alias}" for alias in aliases))
        return cls(id=version, aliases=tuple(n for n in names if n != version), **other)


class ChapterSettings(ChaptersSection):
    """Texts that are written in the background (novelray/endpoint/chapters): the recipe's limits, and the pace."""

    lease_s: Seconds = 20.0
    """A replica that has not been heard of for so long has lost its chapters to the others."""

    flush_s: Seconds = 0.5
    """How often what was written goes to the database, where readers find it."""

    drain_s: Annotated[float, Field(ge=0)] = 0.0
    """Seconds that the chapters of a replica that stops may take to end, before they are given to another one."""

    poll_s: Seconds = 0.5
    """How often a replica looks for work, and a follower for new text."""


class Settings(BaseModel):
    """The limits and the models of one endpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Annotated[tuple[ServedModel, ...], Field(min_length=1)]
    """The first one answers requests that name no model."""

    refused: Mapping[str, str] = {}
    """Names that are known and cannot be served here, each with the reason."""

    max_tokens_default: int = 256
    """New tokens when a request does not say how many."""

    max_body_bytes: int = 4_000_000
    """Largest request body."""

    max_header_bytes: int = 32_768
    """Largest headers, all together."""

    body_timeout_s: Seconds = 30.0
    """A body that takes longer to arrive is answered 408."""

    keep_alive_s: Seconds = 10.0
    """A stream that has been silent for so long gets a comment line, so that proxies do not cut it."""

    headers_after_s: Seconds = 2.0
    """A stream's headers go out with the first text, or after this long while a request waits its turn.

    Until then an error still has an HTTP status of its own."""

    queue_timeout_s: Seconds | None = None
    """A request whose first token takes longer is answered 503; None: it may wait."""

    request_timeout_s: Seconds | None = None
    """A request that takes longer in all is ended with 504; None: it may take as long as it does."""

    chapters: ChapterSettings = ChapterSettings()

    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may ask from a browser; `*`: any."""

    access_log: bool = True
    """One line for each request to the logger `novelray.access`."""

    sends_request_id: bool = True
    """Answers carry `x-request-id`. Off where the server in front, such as Ray Serve's proxy, does it."""

    @model_validator(mode="after")
    def _names_differ(self) -> Settings:
        names = [name for model in self.models for name in (model.id, *model.aliases)]
        if len(set(names)) < len(names):
            raise ValueError(f"two models share a name: {sorted(names)}")
        return self

    def seen_with(self, limits: KeyLimits) -> Settings:
        """What a key with these limits gets to see."""
        if not limits.models:
            return self
        seen = tuple(m for m in self.models if limits.sees((m.id, *m.aliases)))
        return self.model_copy(update={"models": seen})

    def adding(self, models: Iterable[ServedModel], refused: Mapping[str, str]) -> Settings:
        """With these models too. A name that is taken stays with whom it belongs to."""
        taken = {name for model in self.models for name in (model.id, *model.aliases)}
        fresh = [
            model.model_copy(update={"aliases": tuple(a for a in model.aliases if a not in taken)})
            for model in models
            if model.id not in taken
        ]
        return self.model_copy(update={"models": (*self.models, *fresh), "refused": refused})

    def find(self, name: str | None) -> ServedModel | None:
        """The model with this id or alias, the first one when no name is given, or None."""
        if not name:
            return next(iter(self.models), None)
        return next((m for m in self.models if name == m.id or name in m.aliases), None)

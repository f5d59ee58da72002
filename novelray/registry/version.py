"""A registered version, and the sealed JSON that it and the aliases are stored as."""

from __future__ import annotations

import json
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from novelray.errors import DamagedError
from novelray.storage import digest_of

SHORT = 12
"""Hexadecimal digits of a content digest that stand in a version's id."""


class Record(BaseModel):
    """What one file of the registry says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def sealed(self) -> bytes:
        """The record as JSON with the SHA-256 of its content beside it."""
        body = self.model_dump(mode="json")
        return json.dumps({"record": body, "sha256": digest_of(body)}, ensure_ascii=False, indent=2).encode()

    @classmethod
    def opened(cls, data: bytes, path: str) -> Self:
        """The inverse of `sealed`. Raises DamagedError naming `path` when a byte is not as it was written."""
        try:
            content = json.loads(data)
            if digest_of(content["record"]) == content["sha256"]:
                return cls.model_validate(content["record"])
        except (ValueError, KeyError, TypeError, ValidationError):
            pass
        raise DamagedError(
            f"The registry's {path} is damaged: its content does not match its SHA-256.",
            "Delete that file and register the model again: its artifact is not touched.",
        )


class Version(Record):
    """An immutable version of a model. Its id, `name@<12 hex of the content digest>`, always means the same weights.

    `digest` is the artifact's content digest (64 hex), `artifact` its id in storage, `about` what it came from: the
    recipe's name, the base, evaluation scores and whatever else the stage that registered it wants known.
    """

    name: str
    digest: str
    artifact: str
    about: dict[str, Any] = Field(default_factory=dict)
    created: str

    @property
    def short(self) -> str:
        return self.digest[:SHORT]

    @property
    def id(self) -> str:
        return spell(self.name, self.digest)


class Alias(Record):
    """Where an alias points. `before` is where it pointed until it was moved."""

    name: str
    alias: str
    digest: str
    before: str | None = None
    moved: str


def spell(name: str, digest: str) -> str:
    """`name@<12 hex>`, the id of a version on the wire."""
    return f"{name}@{digest[:SHORT]}"

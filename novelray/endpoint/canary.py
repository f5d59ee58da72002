"""A canary: a new version that a share of the clients gets, and when it is taken back. Decisions only, no cluster.

Who gets which version is a function of the client and a salt: the same client always gets the same one, and another
canary draws other clients.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from novelray.recipe.serve import CanarySection

Arm = Literal["stable", "canary"]
KEPT = 2000
"""Times to the first token that are remembered per arm, the newest."""


class Split(BaseModel):
    """How requests are divided. `names`: what both versions answer to; their ids always mean one of them."""

    model_config = ConfigDict(frozen=True)

    stable: str
    canary: str
    names: tuple[str, ...]
    weight: float = Field(ge=0, le=1)
    salt: str

    def arm(self, model: str | None, client: str) -> Arm:
        """Who answers a request that names this model, of this client."""
        if model == self.canary:
            return "canary"
        if model and model not in self.names:
            return "stable"
        return "canary" if share_of(client, self.salt) < self.weight else "stable"


def share_of(client: str, salt: str) -> float:
    """A number from 0 to 1, evenly spread over clients."""
    digest = hashlib.blake2b(client.encode("utf-8", "replace"), digest_size=8, key=salt.encode()[:64]).digest()
    return int.from_bytes(digest) / 2**64


@dataclass(frozen=True)
class Outcome:
    """How one request ended. `first_s`: seconds to the first piece of a stream; None where there was none."""

    arm: Arm
    failed: bool
    first_s: float | None = None


@dataclass
class Tally:
    """What an arm did so far."""

    requests: int = 0
    errors: int = 0
    first_s: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, outcome: Outcome) -> None:
        self.requests += 1
        self.errors += outcome.failed
        if outcome.first_s is not None and not outcome.failed:
            self.first_s.append(outcome.first_s)

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def p95_s(self) -> float | None:
        """95 of 100 streams began within this time."""
        return _percentile(self.first_s, 0.95) if self.first_s else None

    def told(self) -> str:
        """For a person."""
        first = "no streams yet" if self.p95_s is None else f"first token within {self.p95_s:.2f} s (p95)"
        return f"{self.requests} requests, {self.errors} failed ({self.error_rate:.1%}), {first}"


def reason_to_roll_back(stable: Tally, canary: Tally, section: CanarySection) -> str | None:
    """Why the canary has to go, or None while it does well enough, or too little is known.

    Errors count before there are `section.requests` as soon as the rest could not make up for them.
    """
    known = max(canary.requests, section.requests)
    if canary.errors > 1 and canary.errors / known > stable.error_rate + section.error_rise:
        return (
            f"{canary.error_rate:.1%} of its requests failed ({canary.errors} of {canary.requests}); "
            f"the stable version's {stable.error_rate:.1%} and {section.error_rise:.1%} more are allowed."
        )
    if min(len(stable.first_s), len(canary.first_s)) < section.requests:
        return None
    ours, theirs = stable.p95_s or 0.0, canary.p95_s or 0.0
    limit = ours * (1 + section.first_token_rise) + section.first_token_slack_s
    if theirs > limit:
        allowed = f"{limit:.2f} s are allowed, the stable version's takes {ours:.2f} s."
        return f"its first token takes {theirs:.2f} s (p95); {allowed}"
    return None


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]

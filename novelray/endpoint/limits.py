"""What one key may use: its limits as plain values, and the token bucket that holds a rate. Pure: no clock in here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

MINUTE_S = 60.0


@dataclass(frozen=True)
class KeyLimits:
    """The limits of a key; None: no limit. Tokens are those of prompts and answers, days and months are UTC."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    models: tuple[str, ...] = ()
    """Globs (`my-novel@*`) over ids and aliases of models; empty: every model."""

    def __str__(self) -> str:
        """What is limited, in the words of the command line."""
        parts = {
            f"{self.requests_per_minute} requests/min": self.requests_per_minute,
            f"{self.tokens_per_minute} tokens/min": self.tokens_per_minute,
            f"{self.tokens_per_day} tokens/day": self.tokens_per_day,
            f"{self.tokens_per_month} tokens/month": self.tokens_per_month,
            f"models {' '.join(self.models)}": self.models,
        }
        return ", ".join(text for text, limit in parts.items() if limit) or "none"

    @property
    def limited(self) -> bool:
        """Whether there is a limit on how much is used."""
        return any((self.requests_per_minute, self.tokens_per_minute, self.tokens_per_day, self.tokens_per_month))

    def sees(self, names: Iterable[str]) -> bool:
        """Whether the key may use a model that goes by these names."""
        return not self.models or any(fnmatchcase(name, glob) for name in names for glob in self.models)

    def but(self, **changes: int | tuple[str, ...] | None) -> KeyLimits:
        """These limits with some changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[arg-type]


class Bucket:
    """Holds a minute's worth at most and refills all the time, so that a burst is followed by a pause, never by more.

    What is found out later (a longer answer, use at another replica) is taken as a debt, which is then paid first.
    Times are seconds of any clock that never goes back.
    """

    def __init__(self, per_minute: int, now: float) -> None:
        self.per_minute = per_minute
        self._level, self._at = float(per_minute), now

    def level(self, now: float) -> float:
        """What may be taken at once; below zero: a debt."""
        refilled = self._level + (now - self._at) * self.per_minute / MINUTE_S
        return min(float(self.per_minute), refilled)

    def take(self, amount: float, now: float) -> None:
        """Take without asking; a negative amount gives back."""
        self._level, self._at = self.level(now) - amount, now

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until this much may be taken. More than a minute's worth has to wait for a full bucket only."""
        missing = min(amount, float(self.per_minute)) - self.level(now)
        return max(0.0, missing) * MINUTE_S / self.per_minute

    def resized(self, per_minute: int, now: float) -> Bucket:
        """A bucket of another size from which as much is missing."""
        other = Bucket(per_minute, now)
        other.take(self.per_minute - self.level(now), now)
        return other

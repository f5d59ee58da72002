"""Whether a run that failed is started again: a pure decision, by cause.

A lost machine is tried again for as long as the run gets on between two losses; a bug is not, since it comes back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST_WAIT_S = 60.0


class Cause(StrEnum):
    """Why an attempt at a run ended."""

    PREEMPTED = "preempted"  # the platform took the machine back, with notice
    LOST = "lost"  # a worker or node went away without one
    ERROR = "error"  # the code raised something that is no error for people: a bug, until shown otherwise
    STORAGE = "storage"  # storage or another service did not answer


@dataclass(frozen=True)
class Failure:
    """One attempt that failed. `step`: the newest commit when it ended; None when there is none."""

    cause: Cause
    text: str
    step: int | None = None


@dataclass(frozen=True)
class Decision:
    """`again`: start once more, after `wait_s` seconds. `why` is for people and says which attempt this is."""

    again: bool
    wait_s: float
    why: str


def decide(failures: Sequence[Failure], retries: int) -> Decision:
    """What to do after the last of `failures` (oldest first, at least one).

    `retries`: restarts in a row that brought no new commit; with one in between, the count begins anew. Preemption is
    never counted: it says nothing about the run. The same error of the code at the same commit is final at once.
    """
    last = failures[-1]
    if last.cause is Cause.PREEMPTED:
        return Decision(True, 0.0, "preemption is not counted")
    counted = [f for f in failures if f.cause is not Cause.PREEMPTED]
    row = _without_progress(counted)
    if row > retries:
        return Decision(False, 0.0, f"{row} times without a new commit")
    if last.cause is Cause.ERROR and len(counted) > 1 and counted[-2] == last:
        return Decision(False, 0.0, "the same error came back at the same place")
    return Decision(True, _wait_s(last.cause, row), f"{row} of {retries}")


def _without_progress(failures: Sequence[Failure]) -> int:
    """How many failures the run has met since it last got on, the newest included."""
    newest = failures[-1].step
    row = 0
    for failure in reversed(failures):
        if failure.step != newest:
            break
        row += 1
    return row


def _wait_s(cause: Cause, row: int) -> float:
    """A service that does not answer is given more time with each try (1, 2, 4 s, ...); a lost worker needs none."""
    return min(LONGEST_WAIT_S, 2.0 ** (row - 1)) if cause is Cause.STORAGE else 0.0

"""What a gate is, and how its numbers are said to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Gate:
    """One gate. `passed` is None where there is nothing to judge. `detail` holds every fact behind `value`."""

    name: str
    value: float
    target: float
    passed: bool | None
    explanation: str
    detail: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def amount(gate: Gate, value: float) -> str:
    """A gate's value or target as a person reads it."""
    if gate.name in ("style", "curated"):
        return f"{value:.1%}"
    return f"{value:.2f}" if gate.name == "arc" else f"{value:,.10g}"


def bound(gate: Gate) -> str:
    """A gate's target and which side of it is wanted."""
    return f"{amount(gate, gate.target)} or {gate.detail.get('better', 'more')}"


def lines(gates: Sequence[Gate]) -> Iterator[str]:
    """The gates for a terminal, a line each: whether it holds, its number, and why."""
    for gate in gates:
        sign = {True: "✓", False: "!", None: "·"}[gate.passed]
        value = "not known" if gate.passed is None and not gate.value else amount(gate, gate.value)
        said = gate.explanation.casefold().removeprefix("about ").startswith(value)
        yield f"{sign} {gate.name}: {gate.explanation}" if said else f"{sign} {gate.name} {value}: {gate.explanation}"


def batch_of(batch: Mapping[str, Any]) -> str:
    """A batch of the plan to grow, in words."""
    what = {"base": "a base", "more": "more of all"}.get(batch["kind"])
    what = what or f"{batch.get('perspective') or 'a new genre'}"
    high = f" to {batch['at_most'] / 1e6:,.1f}" if "at_most" in batch else ""
    return f"{batch['batch']}. {what}, {batch['tokens'] / 1e6:,.1f}{high} M tokens"


def count_of(n: int, thing: str) -> str:
    """A number of things."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"

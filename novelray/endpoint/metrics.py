"""What is measured, as data, and the small port through which it is told: nothing here knows Prometheus or Ray.

`novelray/onray/metrics.py` implements the port over Ray's metrics agent. Names are Prometheus names and units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

_SECONDS_TO_FIRST = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 40, 60, 120)
_SECONDS_PER_TOKEN = (0.002, 0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5, 1, 2)
_SECONDS_IN_ALL = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600, 1800)


@dataclass(frozen=True)
class Metric:
    """One metric. `model` among its labels is the immutable id (`name@digest`), empty where there is none."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


REQUESTS = Metric(
    "novelray_requests_total",
    "counter",
    "Requests that ended, by path, status (499: the client left) and error code.",
    ("route", "status", "code", "model"),
)
RUNNING = Metric("novelray_requests_running", "gauge", "Texts that are generated now.")
WAITING = Metric("novelray_requests_waiting", "gauge", "Texts that wait for a place in the batch.")
FIRST_TOKEN = Metric(
    "novelray_time_to_first_token_seconds",
    "histogram",
    "From the request's arrival to its first token, the wait in the queue included.",
    ("model",),
    _SECONDS_TO_FIRST,
)
INTER_TOKEN = Metric(
    "novelray_inter_token_seconds",
    "histogram",
    "Time for each further token of a text.",
    ("model",),
    _SECONDS_PER_TOKEN,
)
DURATION = Metric(
    "novelray_request_seconds", "histogram", "Whole duration of requests.", ("route", "model"), _SECONDS_IN_ALL
)
PROMPT_TOKENS = Metric("novelray_prompt_tokens_total", "counter", "Tokens of prompts that were read.", ("model",))
NEW_TOKENS = Metric("novelray_generated_tokens_total", "counter", "Tokens that were generated.", ("model",))
CANCELLED = Metric("novelray_cancellations_total", "counter", "Requests whose client left before the end.", ("model",))
CACHED_TOKENS = Metric(
    "novelray_cached_prompt_tokens_total", "counter", "Prompt tokens found in the prefix cache.", ("model",)
)
ADAPTER_LOADS = Metric("novelray_adapter_loads_total", "counter", "Adapters loaded into an engine.", ("adapter",))
INTERVENTIONS = Metric(
    "novelray_guard_interventions_total", "counter", "Times that the guard stepped in.", ("model", "rule", "action")
)

METRICS = (
    REQUESTS,
    RUNNING,
    WAITING,
    FIRST_TOKEN,
    INTER_TOKEN,
    DURATION,
    PROMPT_TOKENS,
    NEW_TOKENS,
    CANCELLED,
    CACHED_TOKENS,
    ADAPTER_LOADS,
    INTERVENTIONS,
)


class Metrics(Protocol):
    """Where measurements go. Called on the event loop for each token: implementations do not block."""

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count up."""
        ...

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """What a gauge shows now."""
        ...

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """One more value of a histogram."""
        ...


class NoMetrics:
    """Nothing is measured."""

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None: ...

    def set(self, metric: Metric, value: float, **labels: str) -> None: ...

    def observe(self, metric: Metric, value: float, **labels: str) -> None: ...

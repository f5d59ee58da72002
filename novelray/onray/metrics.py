"""The endpoint's metrics over Ray's metrics agent, which each node shows to Prometheus on its metrics port.

Ray puts `ray_` before the names, and the worker's id among the labels, so that replicas are told apart.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

from ray.util import metrics as ray_metrics

from novelray.endpoint.metrics import METRICS, Metric
from novelray.endpoint.watch import access

PREFIX = "ray_"
"""What Ray puts before every name."""


class RayMetrics:
    """Implements `novelray.endpoint.metrics.Metrics`. Calls cost microseconds: Ray sends what it has now and then."""

    def __init__(self) -> None:
        self._made = {metric.name: _make(metric) for metric in METRICS}

    def add(self, metric: Metric, amount: float = 1, **labels: str) -> None:
        """Count up."""
        if amount > 0:  # Ray refuses to count nothing
            self._made[metric.name].inc(amount, labels)

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """What a gauge shows now."""
        self._made[metric.name].set(value, labels)

    def observe(self, metric: Metric, value: float, **labels: str) -> None:
        """One more value of a histogram."""
        self._made[metric.name].observe(value, labels)


def log_access_to_stdout() -> None:
    """Ray keeps what a worker prints in the node's log folder and rotates it; log collectors read it there."""
    if not access.handlers:
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("%(message)s"))
        access.addHandler(handler)
        access.setLevel(logging.INFO)
        access.propagate = False


def _make(metric: Metric) -> Any:
    if metric.kind == "counter":
        return ray_metrics.Counter(metric.name, metric.help, metric.labels)
    if metric.kind == "gauge":
        return ray_metrics.Gauge(metric.name, metric.help, metric.labels)
    return ray_metrics.Histogram(metric.name, metric.help, list(metric.buckets), metric.labels)

"""A run in MLflow: its settings as parameters, its figures as metrics by step, under one run that resuming continues.

MLflow gives runs ids of its own, so ours is a tag (`novelray.run`) by which the run is found again.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from typing import Any

from novelray.telemetry.trackers import Event, figures_of

TAG = "novelray.run"
METRICS, PARAMETERS, LONGEST = 1000, 100, 500  # the most that MLflow takes at once, and characters of a parameter
STATUS = {"done": "FINISHED", "failed": "FAILED", "cancelled": "KILLED", "preempted": "KILLED"}

# Read by the library when it is imported. It would wait for minutes by itself; we try again ourselves.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # it would tell its makers how it is used


class Mlflow:
    """See telemetry/tracking.py."""

    def __init__(self, uri: str, experiment: str, run: str, name: str) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(uri)
        self._experiment, self._run, self._name = experiment, run, name
        self._id: str | None = None
        self._known: dict[str, str] = {}

    def send(self, events: Sequence[Event]) -> None:
        """Log the events. One that is sent twice is stored once: it has the same time."""
        from mlflow.entities import Metric, Param

        self._id = self._id or self._opened()
        metrics = [
            Metric(metric_name(name), float(value), round(1000 * event["time"]), int(event["step"]))
            for event in events
            for name, value in figures_of(event).items()
        ]
        for part in _parts(metrics, METRICS):
            self._client.log_batch(self._id, metrics=part)
        settings = {metric_name(k): str(v)[:LONGEST] for e in events for k, v in e.get("settings", {}).items()}
        new = {k: v for k, v in settings.items() if k not in self._known}  # a parameter cannot be changed
        for part in _parts([Param(k, v) for k, v in new.items()], PARAMETERS):
            self._client.log_batch(self._id, params=part)
        self._known |= new

    def close(self, end: str) -> None:
        """Say how the run ended."""
        if self._id is not None:
            self._client.set_terminated(self._id, STATUS[end])

    def _opened(self) -> str:
        """MLflow's id of the run: the one there is, running again, or a new one."""
        experiment = self._experiment_id()
        found = self._client.search_runs([experiment], f"tags.`{TAG}` = '{self._run}'", max_results=1)
        if not found:
            return str(self._client.create_run(experiment, tags={TAG: self._run}, run_name=self._name).info.run_id)
        self._known = dict(found[0].data.params)
        self._client.update_run(found[0].info.run_id, status="RUNNING")
        return str(found[0].info.run_id)

    def _experiment_id(self) -> str:
        from mlflow.exceptions import MlflowException

        found = self._client.get_experiment_by_name(self._experiment)
        if found is None:
            try:
                return str(self._client.create_experiment(self._experiment))
            except MlflowException:  # another run made it in between, or there is a reason that comes up again
                found = self._client.get_experiment_by_name(self._experiment)
                if found is None:
                    raise
        return str(found.experiment_id)


def metric_name(name: str) -> str:
    """The name with `_` for what MLflow does not take; letters of any script stay."""
    return re.sub(r"[^/\w.\- :]", "_", name)


def _parts(items: list[Any], size: int) -> Iterator[list[Any]]:
    return (items[start : start + size] for start in range(0, len(items), size))

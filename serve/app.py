"""The Ray Serve application: the HTTP endpoint and the engine in one replica, so that no token makes an extra hop.

novelray serve recipe.yaml      starts it for you; with a Serve config file: serve run serve/config.yaml
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from ray import serve
from ray.serve import Application
from starlette.types import ASGIApp

from novelray.onray.peers import Replicas
from novelray.onray.replica import ReplicaSettings, deployment_options
from novelray.onray.rollout import CANARY, DEPLOYMENT, RayRollout


@serve.deployment(name=DEPLOYMENT)
@serve.ingress()
class Endpoint:
    """One copy of the model with its own batch and queue."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from serve.engine import load_engine

        self.settings = ReplicaSettings.model_validate(settings)
        self.loaded = load_engine(self.settings)
        self.rollout = RayRollout()
        self.others = Replicas(self.rollout)

    def __serve_build_asgi_app__(self) -> ASGIApp:
        from novelray.endpoint.app import create_app
        from novelray.endpoint.chapters.table import ChapterTable
        from novelray.endpoint.database import open_database
        from novelray.endpoint.keys import KeyStore, default_url
        from novelray.endpoint.metrics import ADAPTER_LOADS
        from novelray.endpoint.splitgate import SplitGate
        from novelray.generate.hot import HotAdapters
        from novelray.onray.metrics import RayMetrics, log_access_to_stdout

        section, loaded = self.settings.serve, self.loaded
        keys = KeyStore(section.keys) if section.require_key else None
        chapters = None if keys else ChapterTable(open_database(section.keys or default_url()))
        log_access_to_stdout()
        metrics = RayMetrics()
        if isinstance(loaded.engine, HotAdapters):
            loaded.engine.on_load = lambda adapter: metrics.add(ADAPTER_LOADS, adapter=adapter)
        self.api = create_app(
            loaded.engine, loaded.settings, keys, metrics, loaded.catalogue, self.others.restyle, chapters
        )
        if serve.get_replica_context().app_name == CANARY:
            return self.api
        return SplitGate(self.api, self.rollout, loaded.settings, keys)

    async def forward(self, scope: dict[str, Any], body: bytes) -> AsyncIterator[list[Any]]:
        """An HTTP request that another version sent on: an empty list when it has arrived, then ASGI messages."""
        from novelray.endpoint.relay import answer

        yield []
        async for messages in answer(self.api, scope, body):
            yield messages

    async def restyle(self, job_id: str, style: dict[str, float]) -> dict[str, Any] | None:
        """Called at every replica when a text's style changes: only the one that writes it answers."""
        found: dict[str, Any] | None = await self.api.state.service.restyle_here(job_id, style)
        return found

    def describe(self) -> dict[str, Any]:
        """What this replica serves and how busy it is."""
        capacity = self.loaded.engine.capacity()
        return {
            "settings": self.settings.model_dump(mode="json"), "running": capacity.running, "waiting": capacity.waiting
        }  # fmt: skip

    def check_health(self) -> None:
        """Called by Serve; raising here has the replica replaced."""
        self.loaded.engine.capacity()


def application(args: dict[str, Any]) -> Application:
    """The application for these settings (see `ReplicaSettings`)."""
    settings = ReplicaSettings.model_validate(args)
    deployment: Any = Endpoint
    found: Application = deployment.options(**deployment_options(settings)).bind(settings.model_dump(mode="json"))
    return found

"""The Ray Serve application: the HTTP endpoint and the engine in one replica, so that no token makes an extra hop.

novelray serve recipe.yaml      starts it for you; with a Serve config file: serve run serve/config.yaml
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from novelray.onray.peers import Replicas
from novelray.onray.replica import ReplicaSettings, deployment_options


@serve.deployment(name="endpoint")
@serve.ingress()
class Endpoint:
    """One copy of the model with its own batch and queue."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from serve.engine import load_engine

        self.settings = ReplicaSettings.model_validate(settings)
        self.loaded = load_engine(self.settings)
        self.others = Replicas()

    def __serve_build_asgi_app__(self) -> FastAPI:
        from novelray.endpoint.app import create_app
        from novelray.endpoint.keys import KeyStore

        section = self.settings.serve
        keys = KeyStore(section.keys) if section.require_key else None
        loaded = self.loaded
        app = create_app(loaded.engine, loaded.settings, keys, loaded.catalogue, self.others.restyle)
        self.service = app.state.service
        return app

    async def restyle(self, job_id: str, style: dict[str, float]) -> dict[str, Any] | None:
        """Called at every replica when a text's style changes: only the one that writes it answers."""
        found: dict[str, Any] | None = await self.service.restyle_here(job_id, style)
        return found

    def check_health(self) -> None:
        """Called by Serve; raising here has the replica replaced."""
        self.loaded.engine.capacity()


def application(args: dict[str, Any]) -> Application:
    """The application for these settings (see `ReplicaSettings`)."""
    settings = ReplicaSettings.model_validate(args)
    deployment: Any = Endpoint
    found: Application = deployment.options(**deployment_options(settings)).bind(settings.model_dump(mode="json"))
    return found

"""The Ray Serve application: the HTTP endpoint and the engine in one replica, so that no token makes an extra hop.

novelray serve recipe.yaml      starts it for you; with a Serve config file: serve run serve/config.yaml
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application

from novelray.onray.replica import ReplicaSettings, deployment_options


@serve.deployment(name="endpoint")
@serve.ingress()
class Endpoint:
    """One copy of the model with its own batch and queue."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from serve.engine import load_engine

        self.settings = ReplicaSettings.model_validate(settings)
        self.engine = load_engine(self.settings)

    def __serve_build_asgi_app__(self) -> FastAPI:
        from novelray.endpoint.app import create_app
        from novelray.endpoint.chapters.table import ChapterTable
        from novelray.endpoint.database import open_database
        from novelray.endpoint.keys import KeyStore, default_url
        from novelray.onray.metrics import RayMetrics, log_access_to_stdout

        section = self.settings.serve
        keys = KeyStore(section.keys) if section.require_key else None
        chapters = None if keys else ChapterTable(open_database(section.keys or default_url()))
        log_access_to_stdout()
        return create_app(self.engine, self.settings.endpoint(), keys, RayMetrics(), chapters)

    def check_health(self) -> None:
        """Called by Serve; raising here has the replica replaced."""
        self.engine.capacity()


def application(args: dict[str, Any]) -> Application:
    """The application for these settings (see `ReplicaSettings`)."""
    settings = ReplicaSettings.model_validate(args)
    deployment: Any = Endpoint
    found: Application = deployment.options(**deployment_options(settings)).bind(settings.model_dump(mode="json"))
    return found

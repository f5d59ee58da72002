"""What the routes share: the engine, the settings, the planner, and whether the endpoint takes requests."""

from __future__ import annotations

from starlette.requests import Request

from novelray.endpoint.errors import ApiError
from novelray.endpoint.job import Job, Planner
from novelray.endpoint.reply import Reply
from novelray.endpoint.settings import Settings
from novelray.generate.protocol import Engine


class Service:
    """One per application."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine, self.settings = engine, settings
        self.planner = Planner(engine, settings)
        self.draining = False

    def check_ready(self) -> None:
        """Raises ApiError 503 when no new request should come here."""
        if self.draining:
            raise ApiError(503, "The server is shutting down.", code="not_ready", headers={"Retry-After": "5"})
        try:
            self.engine.capacity()
        except Exception as error:
            raise ApiError(503, "The engine does not run.", code="not_ready", headers={"Retry-After": "5"}) from error

    def reply(self, job: Job) -> Reply:
        return Reply(self.engine, self.settings, job)


def service_of(request: Request) -> Service:
    """FastAPI dependency."""
    service: Service = request.app.state.service
    return service

"""What the routes share: the engine, the settings, the planner, and whether the endpoint takes requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from weakref import WeakValueDictionary

from starlette.requests import Request

from novelray.endpoint.errors import ApiError, as_api_error
from novelray.endpoint.job import Job, Planner
from novelray.endpoint.reply import Reply
from novelray.endpoint.settings import Settings
from novelray.endpoint.styles import Catalogue
from novelray.generate.protocol import Engine

Style = Mapping[str, float]
Elsewhere = Callable[[str, Style], Awaitable[dict[str, Any] | None]]
"""Has every other replica try `restyle_here`: what the one that writes this text answered, or None."""


class Service:
    """One per application."""

    def __init__(
        self, engine: Engine, settings: Settings, catalogue: Catalogue | None = None, elsewhere: Elsewhere | None = None
    ) -> None:
        self.engine, self.settings = engine, settings
        self.planner = Planner(engine, settings)
        self.draining = False
        self._own, self._catalogue, self._elsewhere = settings, catalogue, elsewhere
        self._live: WeakValueDictionary[str, Job] = WeakValueDictionary()  # a job lives as long as its answer

    async def refresh(self) -> None:
        """Know the adapters that the registry has now."""
        if self._catalogue is not None:
            found = await self._catalogue.now()
            self.settings = self._own.adding(found.models, found.refused)
            self.planner = self.planner.seeing(self.settings)

    def check_ready(self) -> None:
        """Raises ApiError 503 when no new request should come here."""
        if self.draining:
            raise ApiError(503, "The server is shutting down.", code="not_ready", headers={"Retry-After": "5"})
        try:
            self.engine.capacity()
        except Exception as error:
            raise ApiError(503, "The engine does not run.", code="not_ready", headers={"Retry-After": "5"}) from error

    def reply(self, job: Job) -> Reply:
        self._live[job.id] = job
        return Reply(self.engine, self.settings, job)

    async def restyle(self, job_id: str, style: Style) -> list[dict[str, Any]] | None:
        """Change the style of a text that is being written, at whichever replica: what applies from now on, or None.

        `style`: weights by adapter id. Raises ApiError when the adapters cannot be used now.
        """
        done = await self.restyle_here(job_id, style)
        if done is None and self._elsewhere is not None:
            done = await self._elsewhere(job_id, style)
        if done is not None and "status" in done:
            error = done["error"]
            raise ApiError(done["status"], error["message"], param=error["param"], code=error["code"])
        return None if done is None else list(done["style"])

    async def restyle_here(self, job_id: str, style: Style) -> dict[str, Any] | None:
        """The same at this replica alone. Plain values, errors too: they travel between processes."""
        job = self._live.get(job_id)
        if job is None:
            return None
        whole = job.model.styled(style)
        try:
            running = [await self.engine.restyle(request.id, whole) for request in job.requests]
        except Exception as error:
            failure = as_api_error(error)
            return {"status": failure.status, **failure.body()}
        return {"style": self.planner.applied(whole)} if any(running) else None


async def service_of(request: Request) -> Service:
    """FastAPI dependency."""
    service: Service = request.app.state.service
    await service.refresh()
    return service

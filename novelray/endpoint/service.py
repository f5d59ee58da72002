"""What the routes share: the engine, the settings, the planner, and whether the endpoint takes requests."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from weakref import WeakValueDictionary

from starlette.requests import Request
from starlette.types import Scope

from novelray.endpoint.errors import ApiError, as_api_error
from novelray.endpoint.job import Job, Planner
from novelray.endpoint.keys import KeyRecord
from novelray.endpoint.meter import Ticket
from novelray.endpoint.metrics import RUNNING, WAITING, Metrics
from novelray.endpoint.reply import Reply
from novelray.endpoint.settings import Settings
from novelray.endpoint.styles import Catalogue
from novelray.endpoint.trace import Trace, trace_of
from novelray.generate.protocol import Engine

Style = Mapping[str, float]
Elsewhere = Callable[[str, Style], Awaitable[dict[str, Any] | None]]
"""Has every other replica try `restyle_here`: what the one that writes this text answered, or None."""


class Service:
    """One per application; each request gets a copy that knows its key, with the models that this key may see."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        metrics: Metrics,
        catalogue: Catalogue | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> None:
        self.engine, self.settings, self.metrics = engine, settings, metrics
        self.planner = Planner(engine, settings)
        self.draining = False
        self._trace = Trace()
        self._ticket: Ticket | None = None
        self._own, self._catalogue, self._elsewhere = settings, catalogue, elsewhere
        self._live: WeakValueDictionary[str, Job] = WeakValueDictionary()  # a job lives as long as its answer

    async def refresh(self) -> None:
        """Know the adapters that the registry has now."""
        if self._catalogue is not None:
            found = await self._catalogue.now()
            self.settings = self._own.adding(found.models, found.refused)
            self.planner = self.planner.seeing(self.settings)

    def of(self, scope: Scope) -> Service:
        """The service as the request of this ASGI scope sees it."""
        mine = copy.copy(self)
        mine._trace, mine._ticket = trace_of(scope), scope.get("novelray.ticket")
        record: KeyRecord | None = scope.get("novelray.key")
        if record is not None:
            mine.settings = self.settings.seen_with(record.limits)
            mine.planner = self.planner.seeing(mine.settings)
        return mine

    def check_ready(self) -> None:
        """Raises ApiError 503 when no new request should come here."""
        if self.draining:
            raise ApiError(503, "The server is shutting down.", code="not_ready", headers={"Retry-After": "5"})
        try:
            self.engine.capacity()
        except Exception as error:
            raise ApiError(503, "The engine does not run.", code="not_ready", headers={"Retry-After": "5"}) from error

    def reply(self, job: Job) -> Reply:
        """Run a job. Raises ApiError 429 when the key may not use as many tokens as it can come to."""
        context = self.engine.capacity().context
        self.reserve(
            job.model.id,
            job.prompt_tokens + sum(min(r.sampling.max_tokens, context - len(r.prompt_ids)) for r in job.requests),
        )
        self._live[job.id] = job
        return Reply(self.engine, self.settings, job, self._trace)

    def reserve(self, model: str, tokens: int) -> None:
        """Set tokens aside for this request, which asks this model. Raises ApiError 429."""
        self._trace.model = model
        if self._ticket is not None:
            self._ticket.reserve(tokens)

    def reserved_day(self) -> date:
        """The day (UTC) on which `reserve` sets aside."""
        return datetime.now(UTC).date() if self._ticket is None else self._ticket.day

    def reserved_is_kept(self) -> None:
        """The database has what was set aside: a chapter uses it up, or gives it back, after this request."""
        if self._ticket is not None:
            self._ticket.kept()

    def prompt_read(self, tokens: int) -> None:
        """This request's texts were read by the model."""
        self._trace.prompt_read(tokens)

    def show_load(self) -> None:
        """Tell the metrics how busy the engine is."""
        capacity = self.engine.capacity()
        self.metrics.set(RUNNING, capacity.running)
        self.metrics.set(WAITING, capacity.waiting)

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
    return service.of(request.scope)

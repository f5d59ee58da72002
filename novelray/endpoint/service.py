"""What the routes share: the engine, the settings, the planner, and whether the endpoint takes requests."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime

from starlette.requests import Request
from starlette.types import Scope

from novelray.endpoint.errors import ApiError
from novelray.endpoint.job import Job, Planner
from novelray.endpoint.keys import KeyRecord
from novelray.endpoint.meter import Ticket
from novelray.endpoint.metrics import RUNNING, WAITING, Metrics
from novelray.endpoint.reply import Reply
from novelray.endpoint.settings import Settings
from novelray.endpoint.trace import Trace, trace_of
from novelray.generate.protocol import Engine


class Service:
    """One per application; each request gets a copy that knows its key, with the models that this key may see."""

    def __init__(self, engine: Engine, settings: Settings, metrics: Metrics) -> None:
        self.engine, self.settings, self.metrics = engine, settings, metrics
        self.planner = Planner(engine, settings)
        self.draining = False
        self._trace = Trace()
        self._ticket: Ticket | None = None

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
        return Reply(self.engine, self.settings, job, self._trace)

    def reserve(self, model: str, tokens: int) -> None:
        """Set tokens aside for this request, which asks this model. Raises ApiError 429."""
        self._trace.model = model
        if self._ticket is not None:
            self._ticket.reserve(tokens)

    def reserved_day(self) -> date:
        """The day (UTC) on which `reserve` sets aside."""
        return datetime.now(UTC).date() if self._ticket is None else self._ticket.day

    def keep_reserved(self) -> None:
        """What was set aside stays so after this request: a chapter uses it up, or gives it back in the database."""
        if self._ticket is not None:
            self._ticket.keep()

    def prompt_read(self, tokens: int) -> None:
        """This request's texts were read by the model."""
        self._trace.prompt_read(tokens)

    def show_load(self) -> None:
        """Tell the metrics how busy the engine is."""
        capacity = self.engine.capacity()
        self.metrics.set(RUNNING, capacity.running)
        self.metrics.set(WAITING, capacity.waiting)


def service_of(request: Request) -> Service:
    """FastAPI dependency."""
    service: Service = request.app.state.service
    return service.of(request.scope)

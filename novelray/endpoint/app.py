"""The HTTP application around an engine. It knows nothing of Ray: any ASGI server can run it.

app = create_app(engine, Settings(models=(ServedModel.of("my-novel@0123abcd"),)), KeyStore())
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from novelray import __version__
from novelray.endpoint import errors
from novelray.endpoint.chapters.runner import Runner
from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.gate import KeyGate, SizeLimit
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.meter import Meter
from novelray.endpoint.metrics import Metrics, NoMetrics
from novelray.endpoint.routes import chapters as chapters_routes
from novelray.endpoint.routes import chat, classify, completions, health, models, styles, tokenize
from novelray.endpoint.service import Elsewhere, Service
from novelray.endpoint.settings import Settings
from novelray.endpoint.styles import Catalogue
from novelray.endpoint.watch import Watch
from novelray.generate.protocol import Engine

log = logging.getLogger(__name__)

PULSE_S = 1.0
"""How often the use of keys goes to the database, and the engine's load to the metrics."""

_TOLD_TO_PAGES = (
    "x-request-id", "retry-after",
    *(f"x-ratelimit-{part}-{what}" for part in ("limit", "remaining", "reset") for what in ("requests", "tokens")),
)  # fmt: skip
"""Headers of answers that scripts of other origins may read."""


def create_app(
    engine: Engine,
    settings: Settings,
    keys: KeyStore | None,
    metrics: Metrics | None = None,
    catalogue: Catalogue | None = None,
    elsewhere: Elsewhere | None = None,
    chapters: ChapterTable | None = None,
) -> FastAPI:
    """The application. `keys` None: requests need no key. The engine is closed when the application shuts down.

    `catalogue`: adapters beside the models of the settings. `elsewhere`: the other replicas, if there are any.
    `chapters`: where they are kept; default: in the database of the keys, and nowhere where there is none.
    """
    metrics = metrics or NoMetrics()
    service = Service(engine, settings, metrics, catalogue, elsewhere)
    meter = None if keys is None else Meter(keys)
    table = chapters or (keys.chapters if keys is not None else None)
    runner = None if table is None else Runner(engine, lambda: service.settings, table, metrics)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        pulse = asyncio.create_task(_beat(service, meter))
        writing = None if runner is None else asyncio.create_task(runner.run())
        yield
        service.draining = True
        pulse.cancel()
        if runner is not None and writing is not None:
            writing.cancel()
            await runner.close()
        await engine.close()
        if keys is not None and meter is not None:
            await meter.sync()
            keys.close()

    app = FastAPI(title="NovelRay", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service, app.state.chapters = service, (table, runner)
    errors.install(app)
    for module in (health, models, completions, chat, styles, tokenize, classify, chapters_routes):
        app.include_router(module.router)
    # What is added last is asked first.
    app.add_middleware(SizeLimit, settings=settings)
    if keys is not None and meter is not None:
        app.add_middleware(KeyGate, keys=keys, meter=meter)
    if settings.cors_origins:  # before the keys: a browser's preflight request has none
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["*"],
            expose_headers=_TOLD_TO_PAGES,
        )
    app.add_middleware(Watch, settings=settings, metrics=metrics)
    return app


async def _beat(service: Service, meter: Meter | None) -> None:
    while True:
        try:
            service.show_load()
            if meter is not None:
                await meter.sync()
        except Exception:  # the next beat tries again
            log.exception("counting failed")
        await asyncio.sleep(PULSE_S)

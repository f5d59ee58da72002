"""The HTTP application around an engine. It knows nothing of Ray: any ASGI server can run it.

app = create_app(engine, Settings(models=(ServedModel.of("my-novel@0123abcd"),)), KeyStore())
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from novelray import __version__
from novelray.endpoint import errors
from novelray.endpoint.gate import BodyLimit, KeyGate
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.routes import chat, classify, completions, health, models, styles, tokenize
from novelray.endpoint.service import Elsewhere, Service
from novelray.endpoint.settings import Settings
from novelray.endpoint.styles import Catalogue
from novelray.generate.protocol import Engine


def create_app(
    engine: Engine,
    settings: Settings,
    keys: KeyStore | None,
    catalogue: Catalogue | None = None,
    elsewhere: Elsewhere | None = None,
) -> FastAPI:
    """The application. `keys` None: requests need no key. The engine is closed when the application shuts down.

    `catalogue`: adapters beside the models of the settings. `elsewhere`: the other replicas, if there are any.
    """
    service = Service(engine, settings, catalogue, elsewhere)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.draining = True
        await engine.close()
        if keys is not None:
            keys.close()

    app = FastAPI(title="NovelRay", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service = service
    errors.install(app)
    for module in (health, models, completions, chat, styles, tokenize, classify):
        app.include_router(module.router)
    app.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, timeout_s=settings.body_timeout_s)
    if keys is not None:
        app.add_middleware(KeyGate, keys=keys)  # added last, so it is asked first
    return app

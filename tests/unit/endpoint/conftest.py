"""A server around the scripted engine."""

from __future__ import annotations

from contextlib import contextmanager

import httpx
import pytest
from support.endpoint import ScriptedEngine, running

from novelray.endpoint.app import create_app
from novelray.endpoint.settings import ServedModel, Settings

MODEL = "wuxia@0123456789ab"


@contextmanager
def client_of(engine, keys=None, metrics=None, models=(MODEL,), catalogue=None, elsewhere=None, **settings):
    """An HTTP client of a server around `engine`."""
    given = Settings(models=tuple(map(ServedModel.of, models)), **settings)
    app = create_app(engine, given, keys, metrics, catalogue, elsewhere)
    with running(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture
def engine():
    return ScriptedEngine()


@pytest.fixture
def client(engine):
    with client_of(engine) as found:
        yield found


@pytest.fixture
def start():
    """Start a server of one's own: `with start(engine, keep_alive_s=...) as client`."""
    return client_of

"""A server around the scripted engine, and the databases it may stand on."""

from __future__ import annotations

from contextlib import contextmanager

import httpx
import pytest
from support.endpoint import ScriptedEngine, running
from support.postgres import postgres  # noqa: F401

from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore, default_url
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


@pytest.fixture
def database(request, tmp_path):
    """URL of an empty database: an SQLite file, or of the kind that `on_every_database` asks for."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return default_url(tmp_path)
    return request.getfixturevalue("postgres")()


@pytest.fixture
def table(database):
    store = KeyStore(database)
    yield store.chapters
    store.close()

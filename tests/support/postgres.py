"""A PostgreSQL server of the test run's own: a temporary folder, a Unix socket in it, nothing on the network."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from support.endpoint import until

USER = "novelray"
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "listen_addresses": ""}
EMPTY = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()",
    "DROP SCHEMA public CASCADE",
    "CREATE SCHEMA public",
)
"""Whoever is still connected goes first, lest he hold a lock."""


def binaries() -> Path | None:
    """The folder of `initdb` and `postgres`; Debian keeps it out of the PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return folders[-1] if folders and (folders[-1] / "initdb").is_file() else None


WITHOUT = pytest.mark.skipif(binaries() is None, reason="PostgreSQL's server is not installed")
on_every_database = pytest.mark.parametrize(
    "database",
    ["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, WITHOUT])],
    indirect=True,
)
"""The test runs with each kind of database behind the fixture `database`."""


@pytest.fixture(scope="session")
def postgres():
    """Empties the server's one database and gives its URL: `postgres()`."""
    with server() as url:
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        until(lambda: _answers(engine), 30)

        def emptied() -> str:
            with engine.connect() as connection:
                for statement in EMPTY:
                    connection.execute(text(statement))
            return url

        yield emptied
        engine.dispose()


@contextmanager
def server() -> Iterator[str]:
    """Start one and give the URL of its database; it answers a moment later."""
    found = binaries()
    assert found is not None
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        as_user = _own(folder)
        data = folder / "data"
        created = [found / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run(created, check=True, capture_output=True, cwd=folder, **as_user)
        settings = [f"--{name}={value}" for name, value in QUICK.items()]
        with (folder / "log").open("wb") as log:
            command = [found / "postgres", "-D", data, "-k", folder, *settings]
            process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **as_user)
        try:
            yield f"postgresql+psycopg://{USER}@/postgres?host={folder}"
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nobody needs the data
            process.wait(10)


def _own(folder: Path) -> dict:
    """Whom the server runs as: PostgreSQL refuses to be root."""
    if os.getuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    return {"user": "nobody", "group": "nogroup", "extra_groups": []}


def _answers(engine) -> bool:
    try:
        engine.connect().close()
    except OperationalError:
        return False
    return True

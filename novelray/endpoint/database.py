"""The key database: its tables, how it is opened, and how one of an earlier release is brought up to date."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    Index,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    inspect,
    text,
)
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from novelray.errors import NovelRayError, StorageError

_metadata = MetaData()

keys = Table(
    "api_keys",
    _metadata,
    Column("id", String(12), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", DateTime, nullable=False),
    Column("revoked", DateTime),
    Column("requests_per_minute", BigInteger),
    Column("tokens_per_minute", BigInteger),
    Column("tokens_per_day", BigInteger),
    Column("tokens_per_month", BigInteger),
    Column("models", Text),
)
"""`models`: the globs, one a line. A limit that is null does not limit."""

usage = Table(
    "api_key_usage",
    _metadata,
    Column("key_id", String(12), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("requests", BigInteger, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("new_tokens", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
)
"""What each key used on each day (UTC). `reserved`: tokens that requests which still run may come to use."""

chapters = Table(
    "chapters",
    _metadata,
    Column("id", String(40), primary_key=True),
    Column("key_id", String(12), nullable=False),
    Column("idempotency", String(64)),
    Column("body", String(64), nullable=False),
    Column("model", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("status", String(10), nullable=False),
    Column("owner", String(32)),
    Column("lease_until", Float, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("created", Float, nullable=False),
    Column("finished", Float),
    Column("characters", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("reserved", BigInteger, nullable=False),
    Column("reserved_day", Date, nullable=False),
    Column("finish_reason", String(20)),
    Column("stop_reason", Text),
    Column("error", Text),
    Column("guard", Text),
    Index("chapters_of_key", "key_id", "created"),
    Index("chapters_by_status", "status", "created"),
    Index("chapters_idempotency", "key_id", "idempotency", unique=True),
)
"""Texts that are written in the background. Times: seconds since 1970, by the database's clock.

`idempotency` and `body`: SHA-256 of what the client sent. `request`, `provenance`, `stop_reason` and `guard`: JSON.
`owner`: the lease of who writes it, until `lease_until`. `attempts`: how often somebody began since it last grew.
`reserved`: tokens that are still set aside for it in the key's use of `reserved_day`."""

chapter_pieces = Table(
    "chapter_pieces",
    _metadata,
    Column("chapter_id", String(40), primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("first_token", BigInteger, primary_key=True),
    Column("length", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
)
"""What was written, in order: characters from `start` on. `content`: JSON of the text and its token ids, since some
databases have no place for a NUL in a text."""

_TRIES = 5
_BACKENDS = ("sqlite", "postgresql")


def open_database(url: str) -> Engine:
    """Connect, and create or extend the tables. Raises NovelRayError for a bad URL, StorageError for no answer."""
    try:
        parsed = make_url(url)
        engine = create_engine(_checked(parsed), pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise NovelRayError(
            "serve.keys is not a database URL.", "For example: postgresql+psycopg://host/keys"
        ) from error
    except ImportError:  # the driver itself, or the C library that it looks for
        raise NovelRayError(
            f"The database driver {parsed.get_driver_name()!r} is not installed.",
            'For PostgreSQL: pip install "novelray[postgres]", and a URL that begins with postgresql+psycopg://.',
        ) from None
    except OSError as error:
        raise StorageError(
            f"The key database cannot be opened: {error}.", "Check the folder and its permissions."
        ) from None
    with answering():
        _bring_up_to_date(engine)
    return engine


@contextlib.contextmanager
def answering(*expected: type[SQLAlchemyError]) -> Iterator[None]:
    """Database errors become StorageError, without the URL and the password that their texts can hold.

    `expected`: errors that the caller understands.
    """
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, expected):
            raise
        what = type(getattr(error, "orig", None) or error).__name__
        raise StorageError(
            f"The key database does not answer ({what}).", "Check serve.keys and the database."
        ) from None


def _checked(url: URL) -> URL:
    if url.get_backend_name() not in _BACKENDS:
        raise NoSuchModuleError(url.get_backend_name())
    if url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:"):
        _private_file(Path(str(url.database)))
    return url


def _private_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)


def _bring_up_to_date(engine: Engine) -> None:
    """Tried again a few times: a replica that starts at the same moment may have done one of the steps meanwhile."""
    for attempt in range(_TRIES):
        try:
            return _extend(engine)
        except SQLAlchemyError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(0.05 * (attempt + 1))


def _extend(engine: Engine) -> None:
    """Create what is not there. Columns are only ever added, and may be null, so that no key is lost."""
    _metadata.create_all(engine)
    for table in (keys, chapters):
        there = {column["name"] for column in inspect(engine).get_columns(table.name)}
        with engine.begin() as connection:
            for column in table.columns:
                if column.name not in there:
                    kind = column.type.compile(engine.dialect)
                    connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {column.name} {kind}"))

"""API keys: created, listed, revoked and checked. Only their SHA-256 is stored, so the database gives none away."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Column, DateTime, MetaData, String, Table, create_engine, insert, select, update
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from novelray.errors import NovelRayError, StorageError
from novelray.home import user_folder

PREFIX = "nr-"
CACHE_S = 5.0
"""Seconds for which a good key is not looked up again; a revoked one stops working after at most this long."""

_metadata = MetaData()
_keys = Table(
    "api_keys",
    _metadata,
    Column("id", String(12), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created", DateTime, nullable=False),
    Column("revoked", DateTime),
)


@dataclass(frozen=True)
class KeyRecord:
    """A key as the database knows it: everything but the secret. Times are UTC."""

    id: str
    name: str
    created: datetime
    revoked: datetime | None = None


class KeyStore:
    """The keys in one database. `url` is any SQLAlchemy URL; default: `keys.db` in the user's folder, mode 0600.

    Raises StorageError when the database does not answer.
    """

    def __init__(self, url: str | None = None, cache_s: float = CACHE_S) -> None:
        self._engine = _open(url or default_url())
        self._cache_s = cache_s
        self._known: dict[str, tuple[KeyRecord, float]] = {}

    def create(self, name: str) -> tuple[str, KeyRecord]:
        """A new key: the secret, which is shown this once and never again, and its record."""
        if not name.strip() or len(name) > 100:
            raise NovelRayError(
                "A key needs a name of 1 to 100 characters.", "Say whom it is for: novelray keys create ada"
            )
        secret = f"{PREFIX}{secrets.token_urlsafe(32)}"
        record = KeyRecord(secrets.token_hex(6), name.strip(), _now())
        values = {"id": record.id, "name": record.name, "created": record.created, "digest": _digest(secret)}
        with _translated(), self._engine.begin() as connection:
            connection.execute(insert(_keys).values(values))
        return secret, record

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first, the revoked ones too."""
        with _translated(), self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(select(_keys).order_by(_keys.c.created, _keys.c.id))]

    def revoke(self, id_or_name: str) -> list[KeyRecord]:
        """Revoke the key with this id, or all keys with this name. Raises NovelRayError when there is none."""
        wanted = ((_keys.c.id == id_or_name) | (_keys.c.name == id_or_name)) & _keys.c.revoked.is_(None)
        with _translated(), self._engine.begin() as connection:
            found = [_record(row) for row in connection.execute(select(_keys).where(wanted))]
            connection.execute(update(_keys).where(wanted).values(revoked=_now()))
        if not found:
            raise NovelRayError(f"There is no valid key with the id or name {id_or_name!r}.", "See: novelray keys list")
        self._known.clear()
        return found

    def cached(self, secret: str) -> KeyRecord | None:
        """The record of a key that was verified moments ago; never touches the database."""
        record, expires = self._known.get(_digest(secret), (None, 0.0))
        return record if time.monotonic() < expires else None

    def verify(self, secret: str) -> KeyRecord | None:
        """The record of a valid key, or None. What is compared are digests of 256 random bits, in constant time."""
        if found := self.cached(secret):
            return found
        digest = _digest(secret)
        with _translated(), self._engine.connect() as connection:
            row = connection.execute(select(_keys).where(_keys.c.digest == digest)).first()
        if row is None or not hmac.compare_digest(row.digest, digest) or row.revoked is not None:
            return None
        if len(self._known) > 10_000:
            self._known.clear()
        record = _record(row)
        self._known[digest] = (record, time.monotonic() + self._cache_s)
        return record

    def close(self) -> None:
        """Give the database's connections back."""
        self._engine.dispose()


def default_url(home: Path | None = None) -> str:
    """URL of the SQLite file in the user's folder."""
    return f"sqlite:///{(home or user_folder()) / 'keys.db'}"


def ensure_key(home: Path | None = None, url: str | None = None) -> str | None:
    """On the first serve there is no key: create one, save it at `<home>/api-key` (0600) and return it to be shown.

    Returns None when the database has a valid key already.
    """
    home = home or user_folder()
    store = KeyStore(url or default_url(home))
    try:
        if any(record.revoked is None for record in store.all()):
            return None
        secret, _ = store.create("default")
    finally:
        store.close()
    save_secret(home / "api-key", secret)
    return secret


def save_secret(path: Path, secret: str) -> None:
    """Write a secret to a file that only its owner can read, at no moment readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{secret}\n")
    part.replace(path)


def _open(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            _private_file(Path(str(parsed.database)))
        engine = create_engine(parsed, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise NovelRayError(
            "serve.keys is not a database URL.", "For example: postgresql+psycopg://host/keys"
        ) from error
    except ModuleNotFoundError as error:
        raise NovelRayError(
            f"The database driver {error.name!r} is not installed.", f"pip install {error.name}"
        ) from None
    except OSError as error:
        raise StorageError(
            f"The key database cannot be opened: {error}.", "Check the folder and its permissions."
        ) from None
    with _translated():
        _metadata.create_all(engine)
    return engine


def _private_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    path.chmod(0o600)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        # The text of these errors can hold the URL with its password: only the kind is passed on.
        what = type(getattr(error, "orig", None) or error).__name__
        raise StorageError(
            f"The key database does not answer ({what}).", "Check serve.keys and the database."
        ) from None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _record(row: Any) -> KeyRecord:
    return KeyRecord(row.id, row.name, row.created, row.revoked)

"""API keys: created, listed, revoked and checked. Only their SHA-256 is stored, so the database gives none away."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, insert, select, update

from novelray.endpoint.chapters.table import ChapterTable
from novelray.endpoint.database import answering, keys, open_database
from novelray.endpoint.limits import KeyLimits
from novelray.endpoint.usage import UsageTable
from novelray.errors import NovelRayError
from novelray.home import user_folder

PREFIX = "nr-"
CACHE_S = 5.0
"""Seconds for which a good key is not looked up again; a revoked one stops working after at most this long."""


@dataclass(frozen=True)
class KeyRecord:
    """A key as the database knows it: everything but the secret. Times are UTC."""

    id: str
    name: str
    created: datetime
    revoked: datetime | None = None
    limits: KeyLimits = field(default_factory=KeyLimits)


class KeyStore:
    """The keys in one database, what they have used (`usage`), and what is written for them (`chapters`).

    `url`: an SQLAlchemy URL of SQLite or PostgreSQL; default: `keys.db` in the user's folder, mode 0600.

    Raises StorageError when the database does not answer.
    """

    def __init__(self, url: str | None = None, cache_s: float = CACHE_S) -> None:
        self._engine = open_database(url or default_url())
        self.usage = UsageTable(self._engine)
        self.chapters = ChapterTable(self._engine)
        self._cache_s = cache_s
        self._known: dict[str, tuple[KeyRecord, float]] = {}

    def create(self, name: str, limits: KeyLimits | None = None) -> tuple[str, KeyRecord]:
        """A new key: the secret, which is shown this once and never again, and its record."""
        if not name.strip() or len(name) > 100:
            raise NovelRayError(
                "A key needs a name of 1 to 100 characters.", "Say whom it is for: novelray keys create ada"
            )
        secret = f"{PREFIX}{secrets.token_urlsafe(32)}"
        record = KeyRecord(secrets.token_hex(6), name.strip(), _now(), limits=limits or KeyLimits())
        values = {"id": record.id, "name": record.name, "created": record.created, "digest": _digest(secret)}
        with answering(), self._engine.begin() as connection:
            connection.execute(insert(keys).values(values | _columns(record.limits)))
        return secret, record

    def all(self) -> list[KeyRecord]:
        """Every key, oldest first, the revoked ones too."""
        with answering(), self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(select(keys).order_by(keys.c.created, keys.c.id))]

    def revoke(self, id_or_name: str) -> list[KeyRecord]:
        """Revoke the key with this id, or all keys with this name. Raises NovelRayError when there is none."""
        return [self._change(record, revoked=_now()) for record in self._valid(id_or_name)]

    def limit(self, id_or_name: str, **changes: Any) -> list[KeyRecord]:
        """Change limits (see `KeyLimits`) of the key with this id, or of all with this name. Raises NovelRayError."""
        found = self._valid(id_or_name)
        return [self._change(record, **_columns(record.limits.but(**changes))) for record in found]

    def _valid(self, id_or_name: str) -> list[KeyRecord]:
        wanted: ColumnElement[bool] = (keys.c.id == id_or_name) | (keys.c.name == id_or_name)
        with answering(), self._engine.connect() as connection:
            rows = connection.execute(select(keys).where(wanted & keys.c.revoked.is_(None)))
            found = [_record(row) for row in rows]
        if not found:
            raise NovelRayError(f"There is no valid key with the id or name {id_or_name!r}.", "See: novelray keys list")
        return found

    def _change(self, record: KeyRecord, **values: Any) -> KeyRecord:
        with answering(), self._engine.begin() as connection:
            connection.execute(update(keys).where(keys.c.id == record.id).values(values))
            changed = connection.execute(select(keys).where(keys.c.id == record.id)).one()
        self._known.clear()
        return _record(changed)

    def cached(self, secret: str) -> KeyRecord | None:
        """The record of a key that was verified moments ago; never touches the database."""
        record, expires = self._known.get(_digest(secret), (None, 0.0))
        return record if time.monotonic() < expires else None

    def verify(self, secret: str) -> KeyRecord | None:
        """The record of a valid key, or None. What is compared are digests of 256 random bits, in constant time."""
        if found := self.cached(secret):
            return found
        digest = _digest(secret)
        with answering(), self._engine.connect() as connection:
            row = connection.execute(select(keys).where(keys.c.digest == digest)).first()
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


@contextmanager
def borrowed_key(own: str, url: str | None = None) -> Iterator[str]:
    """The user's `own` key if the database knows it, else one that is revoked at the end."""
    store = KeyStore(url)
    borrowed = None
    try:
        if own and store.verify(own):
            yield own
            return
        secret, borrowed = store.create("demonstration")
        yield secret
    finally:
        if borrowed is not None:
            store.revoke(borrowed.id)
        store.close()


def save_secret(path: Path, secret: str) -> None:
    """Write a secret to a file that only its owner can read, at no moment readable by others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with open(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as stream:
        stream.write(f"{secret}\n")
    part.replace(path)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def _columns(limits: KeyLimits) -> dict[str, Any]:
    return asdict(limits) | {"models": "\n".join(limits.models) or None}


def _record(row: Any) -> KeyRecord:
    limits = KeyLimits(
        row.requests_per_minute,
        row.tokens_per_minute,
        row.tokens_per_day,
        row.tokens_per_month,
        tuple((row.models or "").splitlines()),
    )
    return KeyRecord(row.id, row.name, row.created, row.revoked, limits)

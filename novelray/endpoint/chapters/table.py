"""Chapters in the key database. Whoever writes one holds a lease on it, and every change asks whether it still does.

Each time a chapter is taken is a lease of its own, also when the same runner takes it a second time: it was late with
the first, and what the first still writes must not come between.

What a reader was told is in the database before he is told: text is read from there only.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, insert, literal_column, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.exc import IntegrityError

from novelray.endpoint.chapters.record import OPEN, Chapter, Growth, NewChapter, Status, Work, from_json, to_json
from novelray.endpoint.database import answering, chapter_pieces, chapters
from novelray.endpoint.interventions import counted
from novelray.endpoint.usage import UsageTable, Use

_NOW = {"sqlite": "((julianday('now') - 2440587.5) * 86400.0)", "postgresql": "extract(epoch from clock_timestamp())"}
"""Seconds since 1970, by the one clock that all replicas share."""

_TOLD = [c for c in chapters.c if c.name in Chapter.__dataclass_fields__]
_DAY_S = 86400.0


class ChapterTable:
    """Creates, finds, grows and ends chapters. Raises StorageError when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._usage = engine, UsageTable(engine)
        self._now: ColumnElement[float] = literal_column(_NOW[engine.dialect.name])

    def create(self, new: NewChapter) -> Chapter:
        """Put a chapter into the queue and set its tokens aside, both or neither.

        The same key of the same client gives the chapter that is there.
        """
        values: dict[str, Any] = {
            "id": new.id, "key_id": new.key_id, "idempotency": new.idempotency, "body": new.body,
            "model": new.model, "request": to_json(new.request), "provenance": json.dumps(new.provenance),
            "prompt_tokens": len(new.request.prompt_ids), "status": "queued", "lease_until": 0.0, "attempts": 0,
            "created": self._now, "characters": 0, "tokens": 0, "reserved": new.most_tokens,
            "reserved_day": new.reserved_day,
        }  # fmt: skip
        try:
            with answering(IntegrityError), self._engine.begin() as connection:
                connection.execute(insert(chapters).values(values))
                self._count(connection, new.key_id, {new.reserved_day: Use(reserved=new.most_tokens)})
        except IntegrityError:
            found = self.asked_before(new.key_id, str(new.idempotency))
            assert found is not None, "only the idempotency key can be there already"
            return found
        made = self.get(new.key_id, new.id)
        assert made is not None
        return made

    def asked_before(self, key_id: str, idempotency: str) -> Chapter | None:
        """The chapter that was created with this idempotency key."""
        return self._one((chapters.c.key_id == key_id) & (chapters.c.idempotency == idempotency))

    def get(self, key_id: str, chapter_id: str) -> Chapter | None:
        """A chapter of this key."""
        return self._one((chapters.c.id == chapter_id) & (chapters.c.key_id == key_id))

    def of_key(self, key_id: str, limit: int, after: Chapter | None = None) -> list[Chapter]:
        """The chapters of this key, newest first, those after (older than) one of them."""
        wanted = chapters.c.key_id == key_id
        if after is not None:
            same = (chapters.c.created == after.created) & (chapters.c.id < after.id)
            wanted &= (chapters.c.created < after.created) | same
        rows = select(*_TOLD).where(wanted).order_by(chapters.c.created.desc(), chapters.c.id.desc()).limit(limit)
        with answering(), self._engine.connect() as connection:
            return [_chapter(row) for row in connection.execute(rows)]

    def count_open(self, key_id: str) -> tuple[int, int]:
        """How many chapters are not over: of this key, and of all keys."""
        own = func.count().filter(chapters.c.key_id == key_id)
        with answering(), self._engine.connect() as connection:
            row = connection.execute(select(own, func.count()).where(chapters.c.status.in_(OPEN))).one()
        return int(row[0]), int(row[1])

    def text(self, chapter_id: str, offset: int, most: int = 200_000) -> str:
        """The text from this character on, about `most` characters of it at once."""
        later = chapter_pieces.c.start + chapter_pieces.c.length > offset
        wanted = (chapter_pieces.c.chapter_id == chapter_id) & later & (chapter_pieces.c.start < offset + most)
        with answering(), self._engine.connect() as connection:
            rows = connection.execute(_pieces(wanted)).all()
        text = "".join(json.loads(row.content)[0] for row in rows)
        return text[offset - rows[0].start :] if rows else ""

    def claim(
        self, owner: str, models: Sequence[str], lease_s: float, most_attempts: int, but: Sequence[str] = ()
    ) -> Work | None:
        """The oldest chapter of these models that nobody writes, which from here on is the owner's, by a new lease.

        `but`: chapters that it does not want.
        """
        free = (chapters.c.status == "queued") | (
            (chapters.c.status == "running") & (chapters.c.lease_until < self._now)
        )
        mine = chapters.c.model.in_(models) & chapters.c.id.not_in(but) & free
        oldest = select(chapters.c.id, chapters.c.attempts).where(mine).order_by(chapters.c.created).limit(1)
        with answering(), self._engine.connect() as connection:
            found = connection.execute(oldest).first()
        if found is None:
            return None
        if found.attempts >= most_attempts:
            message = f"The chapter was begun {found.attempts} times in a row and did not grow. The log says why."
            self._end((chapters.c.id == found.id) & free, "failed", message)
            return self.claim(owner, models, lease_s, most_attempts, but)
        change = update(chapters).where((chapters.c.id == found.id) & free)
        lease = owner + secrets.token_hex(8)
        values = {"owner": lease, "status": "running", "lease_until": self._now + lease_s}
        with answering(), self._engine.begin() as connection:
            taken = connection.execute(change.values(values | {"attempts": chapters.c.attempts + 1})).rowcount
        return self._work(found.id, lease) if taken else self.claim(owner, models, lease_s, most_attempts, but)

    def grow(self, work: Work, growth: Growth, lease_s: float) -> bool:
        """Add text, end it if it has ended, and hold on to it; False: somebody ended it, or another one writes it."""
        tokens, today = len(growth.token_ids), datetime.now(UTC).date()
        mine = (chapters.c.id == work.id) & (chapters.c.owner == work.lease) & (chapters.c.status == "running")
        values: dict[str, Any] = {"lease_until": self._now + lease_s}
        if tokens:
            values |= {"characters": chapters.c.characters + len(growth.text), "tokens": chapters.c.tokens + tokens}
            values |= {"attempts": 0}
        with answering(), self._engine.begin() as connection:
            if not connection.execute(update(chapters).where(mine).values(values)).rowcount:
                return False
            row = connection.execute(select(chapters).where(mine)).one()
            if tokens:
                self._add(connection, row, growth, today)
            if growth.interventions:
                told = json.dumps(counted(json.loads(row.guard or "[]"), growth.interventions))
                connection.execute(update(chapters).where(mine).values(guard=told))
            if growth.finish_reason is not None:
                ending = {"finish_reason": growth.finish_reason, "stop_reason": json.dumps(growth.stop_reason)}
                self._close(connection, mine, "done", ending)
        return True

    def cancel(self, key_id: str, chapter_id: str) -> None:
        """End a chapter of this key that is not over."""
        wanted = (chapters.c.id == chapter_id) & (chapters.c.key_id == key_id) & chapters.c.status.in_(OPEN)
        self._end(wanted, "cancelled")

    def fail(self, work: Work, message: str) -> None:
        """End what cannot be written."""
        self._end((chapters.c.id == work.id) & (chapters.c.owner == work.lease), "failed", _storable(message))

    def release(self, holder: str) -> None:
        """Give back what an owner writes, or what is written by one lease: another one goes on at once."""
        mine = chapters.c.owner.startswith(holder) & (chapters.c.status == "running")
        with answering(), self._engine.begin() as connection:
            connection.execute(update(chapters).where(mine).values(status="queued", owner=None, lease_until=0.0))

    def delete(self, key_id: str, chapter_id: str) -> bool:
        """Remove a chapter of this key that is over, and its text; whether there was one."""
        wanted = (chapters.c.id == chapter_id) & (chapters.c.key_id == key_id) & chapters.c.status.not_in(OPEN)
        return self._delete(wanted) > 0

    def expire(self, keep_days: float) -> int:
        """Remove what was over, or waited for a model that nobody serves, for so long; how many there were."""
        old = self._now - keep_days * _DAY_S
        waited = chapters.c.status.in_(OPEN) & (chapters.c.created < old) & (chapters.c.lease_until < old)
        self._end(waited, "failed", "Nobody served the chapter's model for too long.")
        return self._delete(chapters.c.status.not_in(OPEN) & (chapters.c.created < old) & (chapters.c.finished < old))

    def _one(self, wanted: ColumnElement[bool]) -> Chapter | None:
        with answering(), self._engine.connect() as connection:
            row = connection.execute(select(*_TOLD).where(wanted)).first()
        return None if row is None else _chapter(row)

    def _work(self, chapter_id: str, lease: str) -> Work:
        with answering(), self._engine.connect() as connection:
            row = connection.execute(select(chapters).where(chapters.c.id == chapter_id)).one()
            pieces = connection.execute(_pieces(chapter_pieces.c.chapter_id == chapter_id)).all()
        tokens = tuple(token for piece in pieces for token in json.loads(piece.content)[1])
        return Work(row.id, row.model, from_json(row.id, row.request, tokens), row.attempts, lease)

    def _add(self, connection: Connection, row: Any, growth: Growth, today: date) -> None:
        """A piece, and what it costs. `row`: the chapter with this piece counted."""
        tokens, length = len(growth.token_ids), len(growth.text)
        where = {"chapter_id": row.id, "start": row.characters - length, "first_token": row.tokens - tokens}
        connection.execute(insert(chapter_pieces).values(**where, length=length, content=growth.content))
        prompt = row.prompt_tokens if row.tokens == tokens else 0
        left = max(0, row.reserved - prompt - tokens)
        connection.execute(update(chapters).where(chapters.c.id == row.id).values(reserved=left))
        used = {today: Use(0, prompt, tokens)}
        used[row.reserved_day] = used.get(row.reserved_day, Use()) + Use(reserved=left - row.reserved)
        self._count(connection, row.key_id, used)

    def _end(self, wanted: ColumnElement[bool], status: Status, error: str | None = None) -> None:
        with answering(), self._engine.begin() as connection:
            self._close(connection, wanted, status, {"error": error})

    def _close(self, connection: Connection, wanted: ColumnElement[bool], status: Status, ending: Any) -> None:
        """End chapters, and give back what is still set aside for them."""
        ending = {"status": status, "owner": None, "finished": self._now, **ending}
        # In the order in which use is counted everywhere, so that two replicas cannot lock each other.
        found = select(chapters.c.id).where(wanted).order_by(chapters.c.key_id, chapters.c.reserved_day, chapters.c.id)
        for chapter_id in connection.execute(found).scalars().all():
            this = chapters.c.id == chapter_id
            # The change locks the row: only then is it certain what is left.
            if connection.execute(update(chapters).where(this & wanted).values(ending)).rowcount:
                row = connection.execute(select(chapters).where(this)).one()
                connection.execute(update(chapters).where(this).values(reserved=0))
                self._count(connection, row.key_id, {row.reserved_day: Use(reserved=-row.reserved)})

    def _count(self, connection: Connection, key_id: str, uses: dict[date, Use]) -> None:
        if key_id:
            self._usage.add(connection, {(key_id, day): use for day, use in uses.items()})

    def _delete(self, wanted: ColumnElement[bool]) -> int:
        ids = select(chapters.c.id).where(wanted)
        with answering(), self._engine.begin() as connection:
            found: Sequence[str] = connection.execute(ids).scalars().all()
            for chapter_id in found:
                connection.execute(delete(chapter_pieces).where(chapter_pieces.c.chapter_id == chapter_id))
                connection.execute(delete(chapters).where(chapters.c.id == chapter_id))
        return len(found)


def _pieces(wanted: ColumnElement[bool]) -> Any:
    return select(chapter_pieces).where(wanted).order_by(chapter_pieces.c.start, chapter_pieces.c.first_token)


def _chapter(row: Any) -> Chapter:
    values = {c.name: getattr(row, c.name) for c in _TOLD}
    values["provenance"] = json.loads(row.provenance)
    values["stop_reason"] = json.loads(row.stop_reason) if row.stop_reason is not None else None
    values["guard"] = json.loads(row.guard or "[]")
    return Chapter(**values)


def _storable(message: str) -> str:
    """A message may repeat what a client sent; not every database takes a NUL, and none takes half a surrogate pair."""
    return message.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")

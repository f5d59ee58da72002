"""What keys have used, as the database knows it: one row for each key and day, to which every replica adds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, case, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine

from novelray.endpoint.database import answering, usage

_FIELDS = ("requests", "prompt_tokens", "new_tokens", "reserved")


@dataclass(frozen=True)
class Use:
    """Requests and tokens. `reserved`: tokens that requests which still run may come to use."""

    requests: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    reserved: int = 0

    def __add__(self, other: Use) -> Use:
        return Use(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Use) -> Use:
        return Use(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def tokens(self) -> int:
        """What counts against limits: tokens used and tokens reserved."""
        return self.prompt_tokens + self.new_tokens + self.reserved


@dataclass(frozen=True)
class Totals:
    """The use of one key by all replicas: since ever, on `day`, and in that day's month."""

    day: date
    ever: Use = Use()
    today: Use = Use()
    month: Use = Use()

    def plus(self, day: date, use: Use) -> Totals:
        """These, and what was used on one day."""
        none = Use()
        today, month = use if day == self.day else none, use if month_of(day) == month_of(self.day) else none
        return Totals(self.day, self.ever + use, self.today + today, self.month + month)


def month_of(day: date) -> tuple[int, int]:
    """The year and the month of a day."""
    return day.year, day.month


Day = tuple[str, date]
"""A key's id and a day."""


class UsageTable:
    """Adds and reads. Raises StorageError when the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._insert: Any = {"sqlite": sqlite, "postgresql": postgresql}[engine.dialect.name].insert

    def exchange(self, more: Mapping[Day, Use], key_ids: Iterable[str], today: date) -> dict[str, Totals]:
        """Add `more` to the rows of these keys and days, and give the use of all `key_ids`; all or nothing."""
        with answering(), self._engine.begin() as connection:
            self.add(connection, more)
            found = defaultdict(lambda: Totals(today))
            for key_id, *numbers in connection.execute(_sums(key_ids, today)):
                uses = [Use(*map(int, numbers[i : i + len(_FIELDS)])) for i in range(0, len(numbers), len(_FIELDS))]
                found[key_id] = Totals(today, *uses)
        return found

    def add(self, connection: Connection, more: Mapping[Day, Use]) -> None:
        """Add `more` as part of a transaction."""
        for (key_id, day), use in sorted(more.items()):  # in one order, so that two replicas cannot lock each other
            new = self._insert(usage).values(key_id=key_id, day=day, **_values(use))
            sums = {name: usage.c[name] + new.excluded[name] for name in _FIELDS}
            connection.execute(new.on_conflict_do_update(index_elements=["key_id", "day"], set_=sums))


def _sums(key_ids: Iterable[str], today: date) -> Select[Any]:
    """A row for each key: its id, then the sums of the fields since ever, today, and this month."""
    spans = [usage.c.day == usage.c.day, usage.c.day == today, usage.c.day >= today.replace(day=1)]
    sums = [func.sum(case((span, usage.c[name]), else_=0)) for span in spans for name in _FIELDS]
    return select(usage.c.key_id, *sums).where(usage.c.key_id.in_(list(key_ids))).group_by(usage.c.key_id)


def _values(use: Use) -> dict[str, int]:
    return dict(zip(_FIELDS, astuple(use), strict=True))

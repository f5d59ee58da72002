"""Counts what keys use and refuses what is over their limits, by a count of its own: no request waits for a write.

Once a second each replica adds what it counted to the database and reads what all of them did. So a limit holds over
all replicas but for one second: what the others admitted within it is found out then, and is taken from the bucket
as a debt (rates) or counts from there on (quotas). A replica that is killed forgets at most a second of use, and what
its requests had reserved stays counted against the quota of that day and month.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from novelray.endpoint.errors import ApiError
from novelray.endpoint.keys import KeyRecord, KeyStore
from novelray.endpoint.limits import MINUTE_S, Bucket, KeyLimits
from novelray.endpoint.usage import Day, Totals, Use, month_of
from novelray.errors import StorageError

log = logging.getLogger(__name__)

IDLE_S = 3600.0
"""A key that was quiet for so long is forgotten, and read from the database when it comes back."""

AWAKE_S = 60.0
"""A limited key that was quiet for so long is not looked up any more until it comes back."""

Clock = Callable[[], float]
Now = Callable[[], datetime]


class Account:
    """One key at this replica. `pending`: by day, what the database does not have yet."""

    def __init__(self, limits: KeyLimits, totals: Totals, clock: Clock, now: Now) -> None:
        self.limits, self.totals, self._clock, self._now = KeyLimits(), totals, clock, now
        self.requests: Bucket | None = None
        self.tokens: Bucket | None = None
        self.pending: dict[date, Use] = {}
        self.open, self.last, self._synced = 0, clock(), clock()
        self.adapt(limits)

    def adapt(self, limits: KeyLimits) -> None:
        """Go on with these limits; what is missing from a bucket stays missing."""
        if limits != self.limits:
            self.limits = limits
            self.requests = self._resized(self.requests, limits.requests_per_minute)
            self.tokens = self._resized(self.tokens, limits.tokens_per_minute)

    @property
    def awake(self) -> bool:
        """Whether what other replicas do matters now."""
        quiet_s = self._clock() - self.last
        return self.limits.limited and (self.open > 0 or quiet_s < AWAKE_S)

    def enter(self) -> Ticket:
        """Count a request. Raises ApiError 429."""
        self.last = self._clock()
        self._check_rate(self.requests, 1, "requests")
        self.open += 1
        ticket = Ticket(self, self._now().date())
        self.count(ticket.day, Use(requests=1))
        return ticket

    def check(self, tokens: int) -> None:
        """Raises ApiError 429 when this many tokens are more than the key may use now."""
        self._check_quota("day", self.limits.tokens_per_day, tokens)
        self._check_quota("month", self.limits.tokens_per_month, tokens)
        self._check_rate(self.tokens, tokens, "tokens")

    def count(self, day: date, use: Use) -> None:
        """Add to what is used; negative numbers take back."""
        self.pending[day] = self.pending.get(day, Use()) + use
        self._charge(use)

    def stored(self, day: date, use: Use) -> None:
        """Part of what was counted came to the database by another way."""
        self._take_off(day, use)
        self.totals = self.totals.plus(day, use)

    def synced(self, sent: dict[date, Use], totals: Totals) -> None:
        """The database has `sent` now, and `totals` in all."""
        for day, use in sent.items():
            self._take_off(day, use)
        now = self._clock()
        if now - self._synced < MINUTE_S:  # what happened longer ago was paid for by the time since
            self._charge(totals.ever - self.totals.ever - sum(sent.values(), Use()))
        self.totals, self._synced = totals, now

    def headers(self) -> dict[str, str]:
        """OpenAI's `x-ratelimit-*` headers for the rates that are limited."""
        found: dict[str, str] = {}
        for what, bucket in (("requests", self.requests), ("tokens", self.tokens)):
            if bucket is not None:
                level = bucket.level(self._clock())
                found[f"x-ratelimit-limit-{what}"] = str(bucket.per_minute)
                found[f"x-ratelimit-remaining-{what}"] = str(max(0, int(level)))
                reset_s = (bucket.per_minute - level) * MINUTE_S / bucket.per_minute
                found[f"x-ratelimit-reset-{what}"] = f"{round(reset_s, 3):.12g}s"
        return found

    def used(self, span: str) -> int:
        """Tokens used or reserved on this `day` or in this `month`."""
        today = self._now().date()
        of_span = (lambda day: day == today) if span == "day" else (lambda day: month_of(day) == month_of(today))
        known = self.totals.today if span == "day" else self.totals.month
        pending = sum(use.tokens for day, use in self.pending.items() if of_span(day))
        return pending + (known.tokens if of_span(self.totals.day) else 0)

    def _take_off(self, day: date, use: Use) -> None:
        self.pending[day] = self.pending.get(day, Use()) - use
        if self.pending[day] == Use():
            del self.pending[day]

    def _charge(self, use: Use) -> None:
        for bucket, amount in ((self.requests, use.requests), (self.tokens, use.tokens)):
            if bucket is not None:
                bucket.take(amount, self._clock())

    def _resized(self, bucket: Bucket | None, per_minute: int | None) -> Bucket | None:
        if per_minute is None:
            return None
        return bucket.resized(per_minute, self._clock()) if bucket else Bucket(per_minute, self._clock())

    def _check_rate(self, bucket: Bucket | None, amount: int, what: str) -> None:
        wait_s = bucket.wait_s(amount, self._clock()) if bucket is not None else 0.0
        if bucket is not None and wait_s > 0:
            message = f"This key may use {bucket.per_minute} {what} a minute. Come back in {_whole(wait_s)} s."
            raise self._refused(message, "rate_limit_exceeded", wait_s)

    def _check_quota(self, span: str, limit: int | None, tokens: int) -> None:
        if limit is None or self.used(span) + tokens <= limit:
            return
        left, wait_s = max(0, limit - self.used(span)), _until_next(span, self._now())
        message = (
            f"This key may use {limit} tokens a {span} (UTC); {left} are left, and the request may come to {tokens}. "
            f"Ask for less with max_tokens, or come back in {_whole(wait_s)} s."
        )
        raise self._refused(message, "insufficient_quota", wait_s)

    def _refused(self, message: str, code: str, wait_s: float) -> ApiError:
        return ApiError(429, message, code=code, headers={"Retry-After": str(_whole(wait_s)), **self.headers()})


class Ticket:
    """One request of a key, from its first byte to its last."""

    def __init__(self, account: Account, day: date) -> None:
        self.account, self.day, self._reserved, self._open = account, day, 0, True

    def reserve(self, tokens: int) -> None:
        """Set aside the most that the request can come to. Raises ApiError 429 when that is not to be had."""
        self.account.check(tokens)
        self._reserved += tokens
        self.account.count(self.day, Use(reserved=tokens))

    def kept(self) -> None:
        """The database has what is set aside: it stays there until what goes on after the request gives it back."""
        self.account.stored(self.day, Use(reserved=self._reserved))
        self._reserved = 0

    def settle(self, prompt_tokens: int, new_tokens: int) -> None:
        """The request is over, and this is what it used. The first time counts."""
        if not self._open:
            return
        self._open = False
        self.account.open -= 1
        self.account.count(self.day, Use(0, prompt_tokens, new_tokens, -self._reserved))
        self._reserved = 0


class Meter:
    """The accounts of all keys that were seen lately."""

    def __init__(self, keys: KeyStore, clock: Clock = time.monotonic, now: Now | None = None) -> None:
        self._keys, self._clock, self._now = keys, clock, now or (lambda: datetime.now(UTC))
        self._accounts: dict[str, Account] = {}
        self._failing = False

    async def enter(self, record: KeyRecord) -> Ticket:
        """Count a request of this key. Raises ApiError 429, and StorageError when a key's use cannot be read."""
        account = self._accounts.get(record.id)
        if account is None:
            totals = await asyncio.to_thread(self._keys.usage.exchange, {}, [record.id], self._now().date())
            account = self._accounts.setdefault(record.id, self._account(record, totals[record.id]))
        account.adapt(record.limits)
        return account.enter()

    async def sync(self) -> None:
        """Add what was counted to the database and read what all replicas did. Tried again later when it is away."""
        self._forget()
        sent = {key_id: dict(a.pending) for key_id, a in self._accounts.items() if a.pending or a.awake}
        if not sent:
            return
        rows: dict[Day, Use] = {(key_id, day): use for key_id, days in sent.items() for day, use in days.items()}
        try:
            totals = await asyncio.to_thread(self._keys.usage.exchange, rows, list(sent), self._now().date())
        except StorageError as error:
            self._say(error)
            return
        self._failing = False
        for key_id, days in sent.items():
            self._accounts[key_id].synced(days, totals[key_id])

    def _account(self, record: KeyRecord, totals: Totals) -> Account:
        return Account(record.limits, totals, self._clock, self._now)

    def _forget(self) -> None:
        old = self._clock() - IDLE_S
        for key_id, account in list(self._accounts.items()):
            if account.last < old and not account.open and not account.pending:
                del self._accounts[key_id]

    def _say(self, error: StorageError) -> None:
        if not self._failing:
            log.warning("%s Use is counted in memory until it does.", error.message)
        self._failing = True


def _until_next(span: str, now: datetime) -> float:
    """Seconds until the next day or month begins."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    first = (midnight.replace(day=1) + timedelta(days=32)).replace(day=1)
    return ((midnight + timedelta(days=1) if span == "day" else first) - now).total_seconds()


def _whole(seconds: float) -> int:
    return max(1, -int(-seconds // 1))

"""Rates and quotas of keys: what is refused and until when, and that several replicas hold them together."""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import create_engine
from support.postgres import on_every_database

from novelray.endpoint.errors import ApiError
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.limits import Bucket, KeyLimits
from novelray.endpoint.meter import Meter
from novelray.endpoint.usage import Use
from novelray.errors import StorageError


class Time:
    """A clock that stands still until it is told to go on."""

    def __init__(self):
        self.seconds, self.start = 1000.0, datetime(2026, 1, 31, 23, 0, tzinfo=UTC)

    def clock(self):
        return self.seconds

    def now(self):
        return self.start + timedelta(seconds=self.seconds - 1000)


@pytest.fixture
def at():
    return Time()


@pytest.fixture
def keys(database):
    store = KeyStore(database)
    yield store
    store.close()


@pytest.fixture
def meters(keys, at):
    """Two replicas."""
    return [Meter(keys, at.clock, at.now) for _ in range(2)]


def enter(meter, record):
    return asyncio.run(meter.enter(record))


def use(meter, record, tokens):
    """A request that reserves and uses this many tokens."""
    ticket = enter(meter, record)
    ticket.reserve(tokens)
    ticket.settle(0, tokens)


def sync(*meters):
    for meter in meters:
        asyncio.run(meter.sync())


def refused(what, *args):
    with pytest.raises(ApiError) as caught:
        what(*args)
    assert caught.value.status == 429
    return caught.value


def test_a_bucket_lets_a_minutes_worth_through_at_once_and_then_one_by_one():
    bucket = Bucket(60, now=0)
    bucket.take(60, now=0)
    assert bucket.wait_s(1, now=0) == 1
    assert bucket.wait_s(1, now=1) == 0
    assert bucket.level(now=1000) == 60, "quiet hours are not saved up"


def test_more_than_a_minutes_worth_is_let_through_a_full_bucket_and_paid_for_afterwards():
    bucket = Bucket(60, now=0)
    assert bucket.wait_s(180, now=0) == 0
    bucket.take(180, now=0)
    assert bucket.wait_s(1, now=0) == 121


def test_a_request_over_the_rate_is_refused_until_the_time_it_is_told(keys, meters, at):
    _, record = keys.create("ada", KeyLimits(requests_per_minute=2))
    enter(meters[0], record)
    enter(meters[0], record)
    error = refused(enter, meters[0], record)
    assert error.code == "rate_limit_exceeded"
    assert error.headers["x-ratelimit-remaining-requests"] == "0"
    at.seconds += int(error.headers["Retry-After"])
    enter(meters[0], record)


def test_what_a_request_reserved_and_did_not_use_is_given_back(keys, meters):
    _, record = keys.create("ada", KeyLimits(tokens_per_minute=100, tokens_per_day=100))
    ticket = enter(meters[0], record)
    ticket.reserve(90)
    assert refused(enter(meters[0], record).reserve, 20).code == "insufficient_quota"
    ticket.settle(5, 15)
    enter(meters[0], record).reserve(80)


@on_every_database
def test_what_the_database_keeps_for_a_request_counts_at_once_and_once(keys, meters, at):
    _, record = keys.create("ada", KeyLimits(tokens_per_minute=100, tokens_per_day=100))
    ticket = enter(meters[0], record)
    ticket.reserve(90)
    keys.usage.exchange({(record.id, ticket.day): Use(reserved=90)}, [], ticket.day)
    ticket.kept()
    ticket.settle(0, 0)
    for _ in range(2):
        assert refused(enter(meters[0], record).reserve, 11).code == "insufficient_quota"
        sync(meters[0])
    assert keys.usage.exchange({}, [record.id], ticket.day)[record.id].ever.reserved == 90
    keys.usage.exchange({(record.id, ticket.day): Use(reserved=-90)}, [], ticket.day)
    sync(meters[0])
    enter(meters[0], record).reserve(95)


def test_a_day_quota_ends_at_midnight_utc_and_a_month_quota_with_the_month(keys, meters, at):
    _, daily = keys.create("ada", KeyLimits(tokens_per_day=100))
    _, monthly = keys.create("bob", KeyLimits(tokens_per_month=100))
    for record in (daily, monthly):
        use(meters[0], record, 100)
        sync(meters[0])
        error = refused(use, meters[0], record, 1)
        assert error.code == "insufficient_quota"
        assert error.headers["Retry-After"] == "3600", "it is 23:00 on the last day of the month"
    at.seconds += 3600
    use(meters[0], daily, 100)
    use(meters[0], monthly, 100)
    at.seconds += 24 * 3600
    use(meters[0], daily, 100)
    assert refused(use, meters[0], monthly, 1).headers["Retry-After"] == str(27 * 24 * 3600)


@pytest.mark.parametrize(
    ("limits", "least", "most"),
    [
        (KeyLimits(requests_per_minute=6), 12, 12 + 1),  # a full bucket, and a minute of refilling
        (KeyLimits(tokens_per_minute=360), 12, 12 + 1),
        (KeyLimits(tokens_per_day=480), 8, 8 + 1),
    ],
)
def test_two_replicas_together_keep_a_limit_but_for_one_sync(keys, meters, at, limits, least, most):
    _, record = keys.create("ada", limits)
    admitted = 0
    for _ in range(31):
        for meter in meters:
            try:
                use(meter, record, 60)
                admitted += 1
            except ApiError:
                pass
        sync(*meters)
        at.seconds += 2
    assert least <= admitted <= most


def test_use_of_other_replicas_is_a_debt_that_is_paid_before_more_is_let_through(keys, meters, at):
    _, record = keys.create("ada", KeyLimits(requests_per_minute=6))
    for meter in meters:
        for _ in range(6):
            enter(meter, record)  # within one second each gave all there is
    sync(*meters, *meters)
    assert int(refused(enter, meters[0], record).headers["Retry-After"]) == 70
    at.seconds += 70
    enter(meters[0], record)


@on_every_database
def test_what_is_used_is_in_the_database_once_however_often_it_is_synced(keys, meters, at):
    _, record = keys.create("ada")
    for meter in (*meters, *meters):
        ticket = enter(meter, record)
        ticket.reserve(50)
        sync(meter)
        ticket.settle(3, 7)
        sync(meter, meter)
    found = keys.usage.exchange({}, [record.id], at.now().date())[record.id]
    assert found.ever == found.today == found.month == Use(4, 12, 28, 0)


def test_a_database_that_is_away_loses_no_use_and_stops_no_request(keys, meters, at, monkeypatch):
    _, record = keys.create("ada", KeyLimits(tokens_per_day=100))
    use(meters[0], record, 10)
    with monkeypatch.context() as patch:
        patch.setattr(keys.usage, "exchange", lambda *_: (_ for _ in ()).throw(StorageError("away")))
        sync(meters[0])
        use(meters[0], record, 80)
        refused(use, meters[0], record, 20)
    sync(meters[0])
    assert keys.usage.exchange({}, [record.id], at.now().date())[record.id].today.tokens == 90


def test_a_limit_that_is_changed_holds_for_a_key_in_use(keys, meters):
    _, record = keys.create("ada", KeyLimits(requests_per_minute=2))
    enter(meters[0], record)
    enter(meters[0], record)
    (wider,) = keys.limit("ada", requests_per_minute=4)
    enter(meters[0], wider)
    enter(meters[0], wider)
    refused(enter, meters[0], wider)
    (free,) = keys.limit("ada", requests_per_minute=None)
    enter(meters[0], free)


def test_quiet_keys_are_forgotten_and_cost_no_look_up(keys, meters, at, monkeypatch):
    _, record = keys.create("ada", KeyLimits(requests_per_minute=2))
    enter(meters[0], record).settle(0, 0)
    sync(meters[0])
    at.seconds += 4000
    monkeypatch.setattr(keys.usage, "exchange", lambda *_: pytest.fail("asked"))
    sync(meters[0])
    assert not meters[0]._accounts


@pytest.fixture
def old_database(database):
    """URL of a database as the first release made it, with the key `nr-old`."""
    engine = create_engine(database)
    with engine.begin() as old:
        old.exec_driver_sql(
            "CREATE TABLE api_keys (id VARCHAR(12) PRIMARY KEY, name VARCHAR(100) NOT NULL, "
            "digest VARCHAR(64) NOT NULL UNIQUE, created TIMESTAMP NOT NULL, revoked TIMESTAMP)"
        )
        digest = hashlib.sha256(b"nr-old").hexdigest()
        old.exec_driver_sql(
            f"INSERT INTO api_keys VALUES ('a1', 'ada', '{digest}', '2026-01-01 00:00:00.000000', NULL)"
        )
    engine.dispose()
    return database


@on_every_database
def test_a_database_of_the_first_release_keeps_its_keys_and_learns_limits(old_database):
    for limits in (KeyLimits(), KeyLimits(tokens_per_day=5)):
        store = KeyStore(old_database)
        assert store.verify("nr-old").limits == limits
        store.limit("ada", tokens_per_day=5)
        store.close()


@on_every_database
def test_replicas_that_start_at_once_on_an_old_database_all_get_in(old_database):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: KeyStore(old_database), range(8)))
    assert all(store.verify("nr-old") for store in stores)
    for store in stores:
        store.close()


@on_every_database
def test_replicas_that_start_at_once_on_an_empty_database_all_get_in(database):
    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(lambda _: KeyStore(database), range(8)))
    secret, _ = stores[0].create("ada")
    assert all(store.verify(secret) for store in stores)
    for store in stores:
        store.close()


@on_every_database
def test_a_key_of_today_has_a_row_for_each_day(keys, at):
    _, record = keys.create("ada")
    days = {(record.id, date(2026, 1, d)): Use(1, d, 0, 0) for d in (30, 31)}
    keys.usage.exchange(days, [], date(2026, 1, 31))
    found = keys.usage.exchange({}, [record.id], date(2026, 1, 31))[record.id]
    assert (found.ever.prompt_tokens, found.today.prompt_tokens, found.month.prompt_tokens) == (61, 31, 61)
    assert keys.usage.exchange({}, [record.id], date(2026, 2, 1))[record.id].month == Use()

"""Chapters in the database and who writes them: leases, pieces, what is set aside, on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Barrier

import pytest
from sqlalchemy import create_engine, text
from support.endpoint import ScriptedEngine, until
from support.postgres import on_every_database

from novelray.endpoint.chapters.record import Growth, NewChapter
from novelray.endpoint.chapters.runner import Runner
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.metrics import NoMetrics
from novelray.endpoint.settings import ChapterSettings, ServedModel, Settings
from novelray.endpoint.usage import Use
from novelray.generate.protocol import EngineError, Intervention, Request, RequestError, Sampling

MODEL = "wuxia@0123456789ab"
TODAY = datetime.now(UTC).date()
NOVEL = "".join(chr(0x4E00 + i) for i in range(400))


def settings_of(**chapters):
    return Settings(models=(ServedModel.of(MODEL),), chapters=ChapterSettings(poll_s=0.02, **chapters))


@pytest.fixture
def reserved(database):
    """Asks what is set aside in the database for the key "k"."""
    store = KeyStore(database)
    yield lambda: store.usage.exchange({}, ["k"], TODAY)["k"].ever.reserved
    store.close()


def new(**changes):
    request = Request("", (1, 2), Sampling(max_tokens=1_000, seed=3, stop=("终",), logit_bias={5: -1.0}), {"s": 0.5})
    return NewChapter(
        **{"key_id": "k", "model": MODEL, "request": request, "provenance": {}, "body": "b", "reserved_day": TODAY}
        | changes
    )


@on_every_database
def test_a_runner_that_dies_loses_its_chapter_when_its_lease_runs_out_and_cannot_write_any_more(table):
    made = table.create(new())
    first = table.claim("one", [MODEL], 0.2, 4)
    assert table.grow(first, Growth("山雨", (7, 8)), 0.2)
    assert table.claim("two", [MODEL], 9, 4) is None, "the lease holds"
    second = None
    until(lambda: table.claim("two", ["other@1"], 9, 4) is None)

    def taken():
        nonlocal second
        second = table.claim("two", [MODEL], 9, 4)
        return second

    until(taken, 3)
    assert second.request.resumed == (7, 8)
    assert not table.grow(first, Growth("欲来", (9,)), 9), "it comes back from the dead"
    assert table.grow(second, Growth("欲来", (9, 10), "stop", "终"), 9)
    done = table.get("k", made.id)
    assert (done.status, done.finish_reason, done.stop_reason, done.tokens) == ("done", "stop", "终", 4)
    assert table.text(made.id, 0) == "山雨欲来"


@on_every_database
def test_a_runner_that_was_late_and_takes_its_own_chapter_again_writes_no_part_of_it_twice(table):
    made = table.create(new())
    first = table.claim("one", [MODEL], 0.1, 4)
    time.sleep(0.3)
    second = table.claim("one", [MODEL], 9, 4)
    assert second.id == first.id
    assert not table.grow(first, Growth("山雨", (7, 8)), 9)
    table.fail(first, "late")
    table.release(first.lease)
    assert table.grow(second, Growth("山雨", (7, 8), "stop"), 9)
    assert table.text(made.id, 0) == "山雨"


@on_every_database
def test_tokens_are_set_aside_with_the_chapter_whatever_becomes_of_the_replica_that_took_it(table, reserved):
    wanted = new(idempotency="once")
    table.create(wanted)
    table.create(new(idempotency="once"))
    assert reserved() == wanted.most_tokens == 1_002
    work = table.claim("one", [MODEL], 9, 4)
    table.grow(work, Growth("山雨", (7, 8)), 9)
    assert reserved() == 998
    table.grow(work, Growth("", (), "stop"), 9)
    assert reserved() == 0


@on_every_database
def test_a_request_comes_back_from_the_database_as_it_was(table):
    wanted = new()
    table.create(wanted)
    found = table.claim("one", [MODEL], 9, 4).request
    assert (found.prompt_ids, found.sampling, found.style) == (
        wanted.request.prompt_ids,
        wanted.request.sampling,
        wanted.request.style,
    )


@on_every_database
def test_what_the_guard_did_on_one_replica_and_then_another_is_counted_together(table):
    made, other = table.create(new()), table.create(new())
    masked, steered = Intervention("terms", "mask", 0, 2), Intervention("copying", "steer", 9, 60)
    first = table.claim("one", [MODEL], 9, 4)
    table.grow(first, Growth("山雨", (7, 8), interventions=(masked, masked, steered)), 9)
    table.release("one")
    second = table.claim("two", [MODEL], 9, 4)
    assert not table.grow(first, Growth("欲", (9,), interventions=(masked,)), 9), "it writes no more"
    table.grow(second, Growth("欲来", (9, 10), "stop", interventions=(masked,)), 9)
    assert table.get("k", made.id).guard == [
        {"rule": "copying", "action": "steer", "count": 1},
        {"rule": "terms", "action": "mask", "count": 3},
    ]
    assert table.get("k", other.id).guard == []


@on_every_database
def test_a_database_from_before_the_guard_was_told_of_keeps_its_chapters(database):
    store = KeyStore(database)
    made = store.chapters.create(new())
    store.close()
    with create_engine(database).begin() as connection:
        connection.execute(text("ALTER TABLE chapters DROP COLUMN guard"))
    store = KeyStore(database)
    assert store.chapters.get("k", made.id) == made
    store.close()


@on_every_database
def test_text_with_a_nul_and_tokens_without_text_are_kept(table):
    made = table.create(new())
    work = table.claim("one", [MODEL], 9, 4)
    for growth in (Growth("a\0b", (1,)), Growth("", (2, 3)), Growth("🙂", (4,), "length")):
        assert table.grow(work, growth, 9)
    assert [table.text(made.id, offset) for offset in range(5)] == ["a\0b🙂", "\0b🙂", "b🙂", "🙂", ""]


@on_every_database
def test_two_runners_that_ask_at_the_same_moment_never_get_the_same_chapter(database):
    stores = [KeyStore(database) for _ in range(4)]
    together = Barrier(len(stores))
    made = {stores[0].chapters.create(new()).id for _ in range(12)}

    def take(store):
        together.wait()
        return [work.id for _ in range(6) if (work := store.chapters.claim("one", [MODEL], 60, 4))]

    with ThreadPoolExecutor(len(stores)) as pool:
        taken = [chapter for found in pool.map(take, stores) for chapter in found]
    for store in stores:
        store.close()
    assert sorted(taken) == sorted(made)


@on_every_database
def test_a_runner_that_finds_its_chapter_taken_meanwhile_takes_none(table, monkeypatch):
    table.create(new())
    first, begin = [], table._engine.begin

    def begin_late():
        monkeypatch.setattr(table._engine, "begin", begin)
        first.append(table.claim("one", [MODEL], 60, 4))  # between the other one's look and its grasp
        return begin()

    monkeypatch.setattr(table._engine, "begin", begin_late)
    assert table.claim("two", [MODEL], 60, 4) is None
    assert first[0].lease.startswith("one")


@on_every_database
def test_the_end_of_old_chapters_and_the_count_of_a_replica_do_not_lock_each_other(database):
    store, other = KeyStore(database), KeyStore(database)
    for key_id in ("z", "a"):
        store.chapters.create(new(key_id=key_id))
    with ThreadPoolExecutor(1) as pool, store._engine.begin() as connection:
        store.usage.add(connection, {("a", TODAY): Use(1)})
        expired = pool.submit(other.chapters.expire, -1)
        time.sleep(0.3)
        store.usage.add(connection, {("z", TODAY): Use(1)})
        connection.commit()
        assert expired.result(10) == 2
    assert store.usage.exchange({}, ["a", "z"], TODAY)["z"].ever == Use(1)
    for each in (store, other):
        each.close()


@on_every_database
def test_a_message_with_a_nul_is_kept_as_far_as_a_database_can(table):
    made = table.create(new(model="other@1"))
    table.fail(table.claim("one", ["other@1"], 9, 4), "The style 'a\0b\udcff' is odd.")
    found = table.get("k", made.id)
    assert (found.status, found.error) == ("failed", "The style 'a\N{REPLACEMENT CHARACTER}b?' is odd.")


@on_every_database
def test_a_chapter_that_never_grows_is_given_up(table):
    made = table.create(new())
    for _ in range(4):
        assert table.claim("one", [MODEL], 9, 4)
        table.release("one")
    assert table.claim("one", [MODEL], 9, 4) is None
    found = table.get("k", made.id)
    assert found.status == "failed"
    assert "4 times" in found.error


@on_every_database
def test_old_chapters_and_their_text_are_removed(table):
    made, waits = table.create(new()), table.create(new(model="gone@1"))
    work = table.claim("one", [MODEL], 9, 4)
    table.grow(work, Growth("终", (1,), "stop"), 9)
    assert table.expire(1) == 0
    assert table.expire(-1) == 2
    assert table.get("k", made.id) is table.get("k", waits.id) is None
    assert table.text(made.id, 0) == ""


class Failing(ScriptedEngine):
    def __init__(self, error):
        super().__init__()
        self.error = error

    async def generate(self, request):
        self.requests.append(request)
        raise self.error
        yield


async def written(chapter, runner, table):
    """Until the chapter is over."""
    task = asyncio.create_task(runner.run())
    async with asyncio.timeout(10):
        while not table.get("k", chapter.id).over:
            await asyncio.sleep(0.02)
    task.cancel()
    await runner.close()


def test_a_runner_that_is_late_with_every_lease_writes_its_chapter_once_and_goes_on_with_it(table):
    made, slow = table.create(new()), ScriptedEngine(text=NOVEL, pause_s=0.005)
    settings = settings_of(lease_s=0.01, flush_s=0.2)
    asyncio.run(written(made, Runner(slow, lambda: settings, table, NoMetrics()), table))
    assert table.text(made.id, 0) == NOVEL
    assert len(slow.requests) == 1


@pytest.mark.parametrize(
    ("error", "tries"), [(RequestError("The style is odd."), 1), (EngineError("Out of memory."), 4)]
)
def test_a_chapter_that_cannot_be_written_fails_and_says_so(table, error, tries):
    made, engine = table.create(new()), Failing(error)
    asyncio.run(written(made, Runner(engine, lambda: settings_of(lease_s=0.05), table, NoMetrics()), table))
    assert len(engine.requests) == tries
    assert table.get("k", made.id).status == "failed"

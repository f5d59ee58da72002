"""Chapters as jobs over HTTP: they outlive their client and their replica, and no character is lost or doubled."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest
from support.endpoint import ScriptedEngine, running, until
from support.postgres import on_every_database

from novelray.endpoint.app import create_app
from novelray.endpoint.keys import KeyStore
from novelray.endpoint.limits import KeyLimits
from novelray.endpoint.settings import ChapterSettings, ServedModel, Settings
from novelray.generate.guard.engine import Guard, guarded
from novelray.generate.guard.terms import Terms

MODEL = "wuxia@0123456789ab"
QUICK = ChapterSettings(flush_s=0.02, poll_s=0.02, lease_s=0.5, max_open_per_key=3, max_tokens=5_000)
TODAY = datetime.now(UTC).date()
NOVEL = "".join(chr(0x4E00 + i) for i in range(400))


def settings_of(**changes):
    chapters = QUICK.model_copy(update={k: changes.pop(k) for k in list(changes) if k in ChapterSettings.model_fields})
    return Settings(models=(ServedModel.of(MODEL),), chapters=chapters, **changes)


@contextmanager
def served(database, engine, **changes):
    """An endpoint over a database."""
    with running(create_app(engine, settings_of(**changes), KeyStore(database))) as url:
        yield url


def client_of(url, database, name="ada", limits=None):
    store = KeyStore(database)
    secret, record = store.create(name, limits)
    store.close()
    client = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=20)
    client.record = record
    return client


@pytest.fixture
def slow():
    """A hundred characters a second or so."""
    return ScriptedEngine(text=NOVEL, pause_s=0.005)


@pytest.fixture
def client(database, slow):
    with served(database, slow) as url, client_of(url, database) as found:
        yield found


def create(client, headers=None, **body):
    response = client.post("/v1/chapters", json={"prompt": "序", "max_tokens": 1_000, **body}, headers=headers)
    assert response.status_code == 202, response.text
    return response.json()


def state(client, chapter):
    return client.get(f"/v1/chapters/{chapter['id']}").json()


def ended(client, chapter):
    until(lambda: state(client, chapter)["status"] not in ("queued", "running"), 20)
    return state(client, chapter)


def read(client, chapter, offset=0):
    return client.get(f"/v1/chapters/{chapter['id']}/text", params={"offset": offset}).json()


def follow(client, chapter, offset=0, headers=None):
    """The events of a stream: (id, data)."""
    path, asked = f"/v1/chapters/{chapter['id']}/text", {"follow": "true", "offset": offset}
    with client.stream("GET", path, params=asked, headers=headers) as response:
        assert response.headers["x-accel-buffering"] == "no"
        name = None
        for line in response.iter_lines():
            if line.startswith("id: "):
                name = line.removeprefix("id: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
                yield name, data if data == "[DONE]" else json.loads(data)
                name = None


@on_every_database
def test_a_chapter_is_written_while_nobody_waits_and_read_from_any_character(client):
    made = create(client)
    assert made["status"] in ("queued", "running")
    assert (made["model"], made["novelray"]["version"]) == (MODEL, MODEL)
    done = ended(client, made)
    assert (done["status"], done["finish_reason"], done["characters"]) == ("done", "stop", len(NOVEL))
    assert done["usage"] == {"prompt_tokens": 1, "completion_tokens": 400, "total_tokens": 401}
    for offset in (0, 1, 123, 399, 400, 10_000):
        found = read(client, made, offset)
        assert found["text"] == NOVEL[offset:]
        assert found["next_offset"] == offset + len(found["text"])


def test_a_reader_follows_leaves_and_comes_back_where_he_was(client):
    made = create(client)
    text, last = "", None
    for _ in range(4):  # each time he leaves after a few pieces
        for seen, (name, data) in enumerate(follow(client, made, headers={"Last-Event-ID": last} if last else None)):
            if data == "[DONE]" or "text" not in data:
                continue
            assert data["offset"] == len(text)
            text, last = text + data["text"], name
            assert int(name) == data["next_offset"] == len(text)
            if seen == 2:
                break
    events = [data for _, data in follow(client, made, offset=len(text))]
    assert text + "".join(e["text"] for e in events[:-2]) == NOVEL
    assert events[-2]["status"] == "done"
    assert events[-1] == "[DONE]"


def test_a_quiet_chapter_is_followed_with_keep_alives(database):
    engine = ScriptedEngine(text="ab", pause_s=0.5)
    with served(database, engine, keep_alive_s=0.1) as url, client_of(url, database) as client:
        made = create(client)
        asked = client.get(f"/v1/chapters/{made['id']}/text", params={"follow": "true"})
    assert asked.text.count(": keep-alive\n\n") >= 3
    assert asked.text.endswith("data: [DONE]\n\n")


def test_a_cancelled_chapter_is_not_written_on(database):
    engine = ScriptedEngine(text=NOVEL, pause_s=0.1)
    with served(database, engine, flush_s=60) as url, client_of(url, database) as client:
        made = create(client)
        until(lambda: engine.running)
        client.post(f"/v1/chapters/{made['id']}/cancel")
        until(lambda: not engine.running, 1)


def test_a_cancelled_chapter_keeps_its_text_and_can_be_removed(client):
    made = create(client)
    until(lambda: state(client, made)["characters"] > 10)
    assert client.delete(f"/v1/chapters/{made['id']}").status_code == 409
    cancelled = client.post(f"/v1/chapters/{made['id']}/cancel").json()
    assert cancelled["status"] == "cancelled"
    text = read(client, made)["text"]
    assert text == NOVEL[: cancelled["characters"]]
    assert [data for _, data in follow(client, made)][-2:] == [cancelled, "[DONE]"]
    assert client.post(f"/v1/chapters/{made['id']}/cancel").json() == cancelled
    assert client.delete(f"/v1/chapters/{made['id']}").json()["deleted"]
    assert client.get(f"/v1/chapters/{made['id']}").status_code == 404


@on_every_database
def test_a_key_sees_its_own_chapters_only_the_newest_first_page_by_page(client, database):
    mine = [create(client, max_tokens=3, ignore_eos=True) for _ in range(3)]
    with client_of(str(client.base_url), database, "eve") as eve:
        theirs = create(eve, max_tokens=3)
        assert [c["id"] for c in eve.get("/v1/chapters").json()["data"]] == [theirs["id"]]
        path = f"/v1/chapters/{mine[0]['id']}"
        refused = [eve.get(path), eve.get(f"{path}/text"), eve.post(f"{path}/cancel"), eve.delete(path)]
        assert [r.status_code for r in refused] == [404] * 4
        assert eve.get("/v1/chapters", params={"after": mine[0]["id"]}).status_code == 404
    first = client.get("/v1/chapters", params={"limit": 2}).json()
    rest = client.get("/v1/chapters", params={"limit": 2, "after": first["data"][-1]["id"]}).json()
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert [c["id"] for c in first["data"] + rest["data"]] == [c["id"] for c in reversed(mine)]


@on_every_database
def test_the_same_idempotency_key_gives_the_same_chapter_to_the_same_body_only(client, database):
    once = {"Idempotency-Key": "night-1"}
    first, again = create(client, once), create(client, once)
    assert first["id"] == again["id"]
    other = client.post("/v1/chapters", json={"prompt": "跋", "max_tokens": 5}, headers=once)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")
    with client_of(str(client.base_url), database, "eve") as eve:
        assert create(eve, once)["id"] != first["id"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "body"),
        ({"prompt": "a", "messages": [{"role": "user", "content": "a"}]}, "body"),
        ({"prompt": "a", "max_tokens": 5_001}, "max_tokens"),
        ({"prompt": "a", "max_chars": 4_000}, "max_chars"),
        ({"prompt": "a", "temperature": 9}, "temperature"),
    ],
)
def test_a_bad_chapter_is_refused_and_the_field_named(client, body, param):
    refused = client.post("/v1/chapters", json=body)
    assert refused.status_code in (400, 422)
    assert param in (refused.json()["error"]["param"], "body")
    assert client.get("/v1/chapters").json()["data"] == []


def test_messages_unknown_fields_and_characters_are_taken_as_elsewhere(client):
    chat = [{"role": "user", "content": "写一章"}]
    made = create(client, prompt=None, messages=chat, max_tokens=None, max_chars=50, colour="red", n=4)
    told = made["novelray"]["sampling"]
    assert (told["max_chars"], told["max_tokens"]) == (50, 200)
    assert ended(client, made)["status"] == "done"


def test_a_key_may_have_so_many_chapters_open_and_the_endpoint_too(database, slow):
    with (
        served(database, slow, max_running=0, max_open=4) as url,
        client_of(url, database) as ada,
        client_of(url, database) as eve,
    ):
        for _ in range(3):
            create(ada)
        refused = ada.post("/v1/chapters", json={"prompt": "a"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
        assert int(refused.headers["retry-after"]) > 0
        create(eve)
        assert eve.post("/v1/chapters", json={"prompt": "a"}).status_code == 429


@on_every_database
def test_a_quota_holds_for_chapters_and_what_is_not_written_comes_back(database, slow):
    with served(database, slow) as url, client_of(url, database, limits=KeyLimits(tokens_per_day=1_500)) as client:
        made = create(client)
        until(lambda: state(client, made)["characters"] > 10)
        refused = client.post("/v1/chapters", json={"prompt": "a", "max_tokens": 1_000})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "insufficient_quota")
        written = client.post(f"/v1/chapters/{made['id']}/cancel").json()["usage"]["total_tokens"]
        until(lambda: client.post("/v1/chapters", json={"prompt": "a", "max_tokens": 900}).status_code == 202, 5)
        store = KeyStore(database)
        used = store.usage.exchange({}, [client.record.id], TODAY)[client.record.id].ever
        store.close()
    assert used.prompt_tokens + used.new_tokens >= written


@on_every_database
def test_a_second_replica_finishes_what_the_first_one_left_and_nothing_is_lost_or_doubled(database, slow):
    with served(database, slow) as url:
        client = client_of(url, database)
        made = create(client)
        until(lambda: state(client, made)["characters"] > 50)
    store = KeyStore(database)  # the first one drained
    left = store.chapters.get(client.record.id, made["id"])
    store.close()
    assert (left.status, 50 < left.characters < 400) == ("queued", True)
    other = ScriptedEngine(text=NOVEL)
    with served(database, other) as url:
        client.base_url = url
        assert ended(client, made)["status"] == "done"
        assert read(client, made)["text"] == NOVEL
    assert other.requests[0].resumed == tuple(map(ord, NOVEL[: left.characters]))
    assert other.requests[0].slides


def test_a_replica_that_drains_lets_its_chapter_end(database, slow):
    with served(database, slow, drain_s=9) as url:
        client = client_of(url, database)
        made = create(client)
        until(lambda: state(client, made)["characters"] > 50)
    store = KeyStore(database)
    done = store.chapters.get(client.record.id, made["id"])
    store.close()
    assert (done.status, done.characters) == ("done", len(NOVEL))


def test_a_chapter_says_how_often_the_guard_did_what_to_it(database):
    engine = guarded(ScriptedEngine(text="这个敏感词和那个敏感词不说"), Guard(terms=Terms(["敏感词"]), masks=True))
    with served(database, engine) as url, client_of(url, database) as client:
        made = create(client)
        assert "guard" not in made["novelray"]
        over = ended(client, made)
        assert over["novelray"]["guard"] == [{"rule": "terms", "action": "mask", "count": 2}]
        assert over["novelray"]["version"] == MODEL
        followed = client.get(f"/v1/chapters/{made['id']}/text", params={"follow": True}).text
        assert '"guard":[{"rule":"terms"' in followed.replace(" ", "")


@on_every_database
def test_an_id_with_a_nul_is_one_that_is_not_there(client):
    path = "/v1/chapters/a%00b"
    asked = [client.get(path), client.get(f"{path}/text"), client.post(f"{path}/cancel"), client.delete(path)]
    asked.append(client.get("/v1/chapters?after=a%00b"))
    assert [r.status_code for r in asked] == [404] * 5


def test_requests_go_before_chapters_and_chapters_never_fill_the_batch(database):
    engine = ScriptedEngine(text=NOVEL, pause_s=0.01, max_batch=2)
    with served(database, engine, max_running=8) as url, client_of(url, database) as client:
        made = [create(client) for _ in range(3)]
        until(lambda: engine.running)
        assert client.post("/v1/completions", json={"prompt": "a", "max_tokens": 5}).status_code == 200
        statuses = sorted(state(client, c)["status"] for c in made)
        assert statuses == ["queued", "queued", "running"]
        for c in made:
            client.post(f"/v1/chapters/{c['id']}/cancel")


def test_without_a_database_there_are_no_chapters():
    with running(create_app(ScriptedEngine(), settings_of(), None)) as url:
        refused = httpx.get(f"{url}/v1/chapters")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "chapters_off")

"""Keys: who gets in, what is stored, who can read the files."""

from __future__ import annotations

import sqlite3
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from support.endpoint import ScriptedEngine
from support.postgres import on_every_database
from typer.testing import CliRunner

from novelray.cli.keys import app
from novelray.endpoint.keys import KeyStore, borrowed_key, default_url, ensure_key
from novelray.endpoint.limits import KeyLimits
from novelray.endpoint.usage import Use
from novelray.errors import NovelRayError, StorageError


@pytest.fixture
def keys(database):
    store = KeyStore(database)
    yield store
    store.close()


@pytest.fixture
def guarded(start, keys):
    with start(ScriptedEngine(), keys=keys) as client:
        yield client


def test_a_request_without_a_valid_key_is_401_before_its_body_is_looked_at(guarded):
    for headers in ({}, {"Authorization": "Bearer nr-wrong"}, {"Authorization": "Basic eA=="}, {"Authorization": "x"}):
        response = guarded.post("/v1/completions", content=b"{", headers=headers)
        assert response.status_code == 401
        assert response.json()["error"]["code"] in ("invalid_api_key", "missing_api_key")
        assert guarded.get("/v1/models", headers=headers).status_code == 401
        assert guarded.get("/anything/else", headers=headers).status_code == 401


@on_every_database
def test_a_valid_key_gets_in_and_a_revoked_one_no_longer(guarded, keys):
    secret, record = keys.create("ada")
    headers = {"Authorization": f"Bearer {secret}"}
    assert guarded.post("/v1/completions", json={"prompt": "a"}, headers=headers).status_code == 200
    keys.revoke(record.id)
    assert guarded.post("/v1/completions", json={"prompt": "a"}, headers=headers).status_code == 401


def test_probes_need_no_key(guarded):
    assert guarded.get("/health").status_code == 200
    assert guarded.get("/ready").status_code == 200


def test_strange_bytes_in_the_header_are_a_wrong_key(guarded):
    response = guarded.get("/v1/models", headers={"Authorization": b"Bearer \xff\xfe\x80"})
    assert response.status_code == 401


def test_a_key_database_that_does_not_answer_is_503(guarded, keys, monkeypatch):
    def down(_):
        raise StorageError("postgresql://user:secret@db is down")

    monkeypatch.setattr(keys, "verify", down)
    response = guarded.get("/v1/models", headers={"Authorization": "Bearer nr-x"})
    assert response.status_code == 503
    assert "secret" not in response.text


def test_only_the_digest_of_a_key_is_stored(keys, tmp_path):
    secret, _ = keys.create("ada")
    assert secret.startswith("nr-")
    assert len(secret) == 3 + 43
    rows = sqlite3.connect(tmp_path / "keys.db").execute("select * from api_keys").fetchall()
    assert secret not in repr(rows)
    assert secret.removeprefix("nr-").encode() not in (tmp_path / "keys.db").read_bytes()


def test_the_key_files_can_be_read_by_their_owner_only(tmp_path):
    home = tmp_path / "home"
    ensure_key(home)
    assert (home / "keys.db").stat().st_mode & 0o777 == 0o600
    assert (home / "api-key").stat().st_mode & 0o777 == 0o600


def test_the_first_serve_makes_a_key_and_the_second_does_not(tmp_path):
    secret = ensure_key(tmp_path)
    assert (tmp_path / "api-key").read_text().strip() == secret
    assert ensure_key(tmp_path) is None
    store = KeyStore(default_url(tmp_path))
    assert store.verify(secret).name == "default"
    store.revoke("default")
    store.close()
    assert ensure_key(tmp_path) not in (None, secret)


def test_a_person_without_a_key_borrows_one_that_is_gone_afterwards_and_one_with_a_key_uses_it(tmp_path):
    url = default_url(tmp_path)
    store = KeyStore(url, cache_s=0)
    mine, _ = store.create("ada")
    with borrowed_key(mine, url) as secret:
        assert secret == mine
    assert store.verify(mine)
    for own in ("", "nr-revoked-long-ago"):
        with suppress(ZeroDivisionError), borrowed_key(own, url) as secret:
            assert store.verify(secret).name == "demonstration"
            raise ZeroDivisionError
        assert store.verify(secret) is None
    store.close()


@on_every_database
def test_a_good_key_does_not_ask_the_database_each_time_and_a_revoked_one_is_found_out(database):
    server, admin = KeyStore(database, cache_s=0.2), KeyStore(database)
    secret, record = admin.create("ada")
    assert server.verify(secret) == record
    assert server.cached(secret) == record
    admin.revoke("ada")
    time.sleep(0.25)
    assert server.cached(secret) is None
    assert server.verify(secret) is None


def test_revoking_what_is_not_there_says_so(keys):
    with pytest.raises(NovelRayError, match="bob"):
        keys.revoke("bob")


@on_every_database
def test_all_keys_are_listed_without_their_secrets(keys):
    keys.create("ada")
    secret, _ = keys.create("bob")
    keys.revoke("ada")
    listed = keys.all()
    assert {(r.name, r.revoked is None) for r in listed} == {("ada", False), ("bob", True)}
    assert secret not in repr(listed)


@pytest.mark.parametrize("url", ["nonsense", "nosuch://x/y", "sqlite:////proc/keys.db"])
def test_a_bad_database_url_is_an_error_of_ours(url):
    with pytest.raises(NovelRayError):
        KeyStore(url)


def test_a_missing_driver_is_named_with_the_way_to_get_one(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(NovelRayError, match="'psycopg' is not installed") as caught:
        KeyStore("postgresql+psycopg://host/keys")
    assert "novelray[postgres]" in caught.value.hint


def test_a_server_that_is_not_there_is_a_storage_error_without_the_password():
    with pytest.raises(StorageError) as caught:
        KeyStore("postgresql+psycopg://ada:geheim@/keys?host=/nowhere")
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_command_line_prints_a_secret_once_alone_on_stdout(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path))
    run = CliRunner()
    secret = run.invoke(app, ["create", "ada"]).stdout.strip()
    assert KeyStore().verify(secret).name == "ada"
    listed = run.invoke(app, ["list"]).stdout
    assert "ada" in listed
    assert secret not in listed
    assert run.invoke(app, ["revoke", "ada"]).exit_code == 0
    assert KeyStore().verify(secret) is None
    assert isinstance(run.invoke(app, ["revoke", "ada"]).exception, NovelRayError)


def test_limits_are_set_changed_and_taken_away_on_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    run = CliRunner()
    given = ["--requests-per-minute", "60", "--tokens-per-day", "1000", "--models", "a@*", "--models", "b@*"]
    secret = run.invoke(app, ["create", "ada", *given]).stdout.strip()
    limits = KeyLimits(requests_per_minute=60, tokens_per_day=1000, models=("a@*", "b@*"))
    assert KeyStore().verify(secret).limits == limits
    store = KeyStore()
    today = datetime.now(UTC).date()
    store.usage.exchange({(store.all()[0].id, today): Use(3, 40, 50, 0)}, [], today)
    listed = " ".join(run.invoke(app, ["list"]).stdout.split())
    assert "60 requests/min, 1000 tokens/day, models a@* b@*" in listed
    assert "90" in listed
    changed = run.invoke(app, ["limit", "ada", "--tokens-per-day", "0", "--tokens-per-minute", "7", "--models", "*"])
    assert "60 requests/min, 7 tokens/min" in changed.stdout
    assert KeyStore().verify(secret).limits == KeyLimits(requests_per_minute=60, tokens_per_minute=7)
    assert isinstance(run.invoke(app, ["limit", "bob", "--tokens-per-day", "1"]).exception, NovelRayError)
    assert run.invoke(app, ["limit", "ada", "--tokens-per-day", "-1"]).exit_code == 2

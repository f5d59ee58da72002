"""How a storage root and an endpoint are understood, without asking any server."""

from __future__ import annotations

import pytest

from novelray.storage import Store, digest_of
from novelray.storage.store import _s3_options


@pytest.mark.parametrize(
    ("endpoint", "scheme", "host"),
    [
        ("http://minio:9000", "http", "minio:9000"),
        ("https://s3.example.org/", "https", "s3.example.org"),
        ("minio:9000", "https", "minio:9000"),
    ],
)
def test_an_endpoint_is_read_with_and_without_a_scheme(endpoint, scheme, host):
    options = _s3_options(endpoint)
    assert (options["scheme"], options["endpoint_override"]) == (scheme, host)


def test_the_endpoint_of_the_recipe_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://of-the-environment:1")
    assert _s3_options("http://of-the-recipe:2")["endpoint_override"] == "of-the-recipe:2"
    assert _s3_options(None)["endpoint_override"] == "of-the-environment:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://for-s3-alone:3")
    assert _s3_options(None)["endpoint_override"] == "for-s3-alone:3"


def test_without_an_endpoint_it_is_amazons(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3", raising=False)
    assert "endpoint_override" not in _s3_options(None)


def test_local_roots_and_file_uris_are_the_same_store(tmp_path):
    Store(f"file://{tmp_path}/").write("x", b"1")
    assert Store(f"{tmp_path}/").read("x") == b"1"
    assert Store(str(tmp_path)).uri == Store(f"file://{tmp_path}").uri


def test_a_digest_ignores_the_order_of_keys_and_nothing_else():
    assert digest_of({"a": 1, "b": [1, 2]}) == digest_of({"b": [1, 2], "a": 1})
    assert digest_of({"a": 1, "b": [1, 2]}) != digest_of({"a": 1, "b": [2, 1]})
    assert digest_of({"a": 1}) != digest_of({"a": "1"})

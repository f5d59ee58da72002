"""Clusters by name."""

import pytest

from novelray.errors import ClusterError, NovelRayError
from novelray.fleet import clusters


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_name_that_was_added_is_found_and_forgotten_again(own_home):
    (own_home / "token").write_text("t0ken\n")
    clusters.add("prod", "http://head:8265/", str(own_home / "token"))
    clusters.add("other", "http://other:8265")
    found = clusters.find("prod")
    assert (found.address, found.token()) == ("http://head:8265", "t0ken")
    clusters.remove("prod")
    assert list(clusters.known()) == ["other"]


def test_an_address_needs_no_name():
    assert clusters.find("http://head:8265").address == "http://head:8265"


def test_the_only_cluster_is_meant_when_none_is_given():
    clusters.add("prod", "http://head:8265")
    assert clusters.find(None).name == "prod"


def test_of_two_clusters_one_must_be_given():
    clusters.add("a", "http://a:8265")
    clusters.add("b", "http://b:8265")
    with pytest.raises(NovelRayError, match="Which cluster") as caught:
        clusters.find(None)
    assert "Known: a, b" in caught.value.hint


def test_an_unknown_name_lists_the_known_ones():
    clusters.add("prod", "http://head:8265")
    with pytest.raises(NovelRayError, match="no cluster 'prdo'") as caught:
        clusters.find("prdo")
    assert "prod" in caught.value.hint


@pytest.mark.parametrize("text", ["prod: 3", "- a", "prod: {adress: x}", "prod: [", "3"])
def test_a_damaged_file_of_names_is_said_to_be_one(text, own_home):
    clusters.path().parent.mkdir(parents=True)
    clusters.path().write_text(text)
    with pytest.raises(NovelRayError, match="is not a list of clusters"):
        clusters.known()


def test_a_token_that_cannot_be_read_is_a_clear_error(own_home):
    clusters.add("prod", "http://head:8265", str(own_home / "none"))
    with pytest.raises(ClusterError, match="cannot be read from"):
        clusters.find("prod").token()


def test_without_a_path_the_token_is_where_ray_looks(own_home, monkeypatch):
    assert clusters.find("http://head:8265").token() is None
    (own_home / ".ray").mkdir()
    (own_home / ".ray" / "auth_token").write_text("default")
    assert clusters.find("http://head:8265").token() == "default"
    (own_home / "named").write_text("named")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(own_home / "named"))
    assert clusters.find("http://head:8265").token() == "named"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "direct")
    assert clusters.find("http://head:8265").token() == "direct"

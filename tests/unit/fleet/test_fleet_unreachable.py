"""Unreachable is not dead: what is said of a cluster that does not answer."""

import socket

import pytest

from novelray.cli.main import main
from novelray.onray import jobs


@pytest.fixture
def silent():
    """An address that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(8)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def closed():
    """An address where nobody listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
    return address


def test_a_cluster_that_does_not_answer_in_time_is_unreachable_and_not_failed(silent, capsys, monkeypatch):
    monkeypatch.setattr(jobs, "ANSWER_S", 0.2)
    assert main(["status", "novelray-train-1", "--cluster", silent]) == 3
    shown = capsys.readouterr().err
    assert "did not answer in time" in shown
    assert "may be running" in shown
    assert "failed" not in shown.lower()


@pytest.mark.parametrize("verb", [["list"], ["status", "j"], ["logs", "j"], ["logs", "-f", "j"], ["cancel", "j"]])
def test_a_cluster_that_is_not_there_is_unreachable_for_every_verb(closed, capsys, verb):
    assert main([*verb, "--cluster", closed]) == 3
    assert "cannot be reached" in capsys.readouterr().err

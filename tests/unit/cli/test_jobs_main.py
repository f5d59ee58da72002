"""The job entrypoints: what they answer with, and how they heed a request to cancel."""

import signal
import subprocess
import sys
import threading
import time

import pytest

from jobs import _main
from novelray.errors import CancelledError, CorpusError
from novelray.storage import Store
from novelray.telemetry.control import forwarding, has_begun, request_cancel


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("name: tiny\ntrain: {method: full}\nstorage: {root: data}\n")
    return str(path)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_JOB", "j")
    return Store(str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Look for requests every few milliseconds."""
    real = _main.watching
    monkeypatch.setattr(_main, "watching", lambda store, key, then: real(store, key, then, poll_s=0.01))


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    monkeypatch.setenv("NOVELRAY_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def control_c():
    """SIGINT as Python has it: what else ran in this process (a sweep, for one) may have left a handler of its own."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stage(monkeypatch, work):
    monkeypatch.setattr(_main, "run_stage", lambda name, recipe: work())
    monkeypatch.setattr(_main, "_stop_like_control_c", lambda: None)


def test_a_stage_that_works_exits_0_and_one_that_fails_with_its_code(monkeypatch, recipe, capsys):
    stage(monkeypatch, lambda: None)
    assert _main.main("train", [recipe]) == 0

    def fail():
        raise CorpusError("no books", "add some")

    stage(monkeypatch, fail)
    assert _main.main("train", [recipe]) == 2
    assert "no books" in capsys.readouterr().err


def test_a_stage_that_does_not_look_is_interrupted(monkeypatch, recipe, store):
    def work():
        request_cancel(store, "jobs/j")
        time.sleep(5)
        pytest.fail("was not interrupted")

    stage(monkeypatch, work)
    began = time.monotonic()
    assert _main.main("corpus", [recipe]) == 130
    assert time.monotonic() - began < 4
    assert has_begun(store, "jobs/j")


def test_a_run_that_commits_first_is_not_interrupted(monkeypatch, recipe, store):
    committed = []

    def work():
        with forwarding(store, "runs/a", poll_s=0.01):
            request_cancel(store, "jobs/j")
            time.sleep(0.3)
            committed.append(store.exists("runs/a/cancel"))
            raise CancelledError("committed")

    stage(monkeypatch, work)
    assert _main.main("train", [recipe]) == 130
    assert committed == [True]


def test_an_endpoint_that_ends_on_a_request_counts_as_cancelled_and_not_as_done(monkeypatch, recipe, store):
    def work():
        request_cancel(store, "jobs/j")
        try:
            threading.Event().wait(5)
        except KeyboardInterrupt:
            return

    stage(monkeypatch, work)
    assert _main.main("serve", [recipe]) == 130


@pytest.mark.parametrize("name", ["corpus", "train", "update", "tune", "evaluate", "serve", "run"])
def test_every_entrypoint_answers_bad_input_with_2_and_no_traceback(name, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", f"jobs.{name}", tmp_path / "none.yaml"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "There is no recipe" in done.stderr
    assert "Traceback" not in done.stderr

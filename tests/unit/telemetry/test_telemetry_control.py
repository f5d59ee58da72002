"""Asking runs and jobs to stop through storage."""

import threading

import pytest

from novelray.errors import StorageError
from novelray.storage import Store
from novelray.telemetry import control


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path))


@pytest.fixture
def in_job(monkeypatch):
    monkeypatch.setenv("NOVELRAY_JOB", "novelray-train-1")
    return "jobs/novelray-train-1"


def wait_until(happened, seconds=3.0):
    end = threading.Event()
    for _ in range(int(seconds / 0.01)):
        if happened():
            return True
        end.wait(0.01)
    return False


def test_nobody_asked_until_somebody_does(store):
    assert not control.cancel_requested(store, "runs/a")
    control.request_cancel(store, "runs/a")
    assert control.cancel_requested(store, "runs/a")
    assert not control.cancel_requested(store, "runs/ab")


def test_a_request_can_be_withdrawn(store):
    control.request_cancel(store, "runs/a")
    control.withdraw_cancel(store, "runs/a")
    control.withdraw_cancel(store, "runs/a")
    assert not control.cancel_requested(store, "runs/a")


def test_the_jobs_request_reaches_its_run(store, in_job):
    with control.forwarding(store, "runs/a", poll_s=0.01):
        assert control.is_forwarding()
        assert not control.cancel_requested(store, "runs/a")
        control.request_cancel(store, in_job)
        assert wait_until(lambda: control.cancel_requested(store, "runs/a"))
    assert not control.is_forwarding()


def test_a_request_made_before_the_run_began_reaches_it_too(store, in_job):
    control.request_cancel(store, in_job)
    with control.forwarding(store, "runs/a", poll_s=0.01):
        assert wait_until(lambda: control.cancel_requested(store, "runs/a"))


def test_a_resumed_run_does_not_stop_at_the_request_of_last_time(store, in_job):
    control.request_cancel(store, "runs/a")
    with control.forwarding(store, "runs/a", poll_s=0.01):
        assert not control.cancel_requested(store, "runs/a")


def test_outside_of_a_job_nothing_is_forwarded(store, monkeypatch):
    monkeypatch.delenv("NOVELRAY_JOB", raising=False)
    with control.forwarding(store, "runs/a"):
        assert not control.is_forwarding()
    assert store.files("jobs") == []


def test_the_job_knows_which_run_it_is_in(store, in_job):
    assert control.job_run(store, in_job) is None
    with control.forwarding(store, "runs/a", poll_s=0.01):
        assert control.job_run(store, in_job) == "runs/a"


def test_storage_that_hiccups_does_not_stop_the_watch(store, monkeypatch):
    looks, asked = [], threading.Event()

    def flaky(store, key):
        looks.append(key)
        if len(looks) < 3:
            raise StorageError("away")
        return True

    monkeypatch.setattr(control, "cancel_requested", flaky)
    with control.watching(store, "jobs/x", asked.set, poll_s=0.01):
        assert asked.wait(3)
    assert len(looks) == 3


def test_leaving_ends_the_watch(store):
    before = threading.active_count()
    with control.watching(store, "jobs/x", lambda: None, poll_s=0.01):
        assert threading.active_count() == before + 1
    assert wait_until(lambda: threading.active_count() == before)

"""Cancelling: asked first, waited for, forced only on request. And what states and progress read like."""

import json

import pytest

from novelray.errors import ClusterError
from novelray.fleet import cancel as cancelling
from novelray.fleet.progress import clock, exit_code_of, progress_of, state_of
from novelray.fleet.show import as_dict
from novelray.onray.jobs import Job, JobExistsError
from novelray.storage import Store
from novelray.telemetry.control import begin_job, cancel_requested, request_cancel


class Cluster:
    """A job that ends by itself once its marker is seen, unless it is deaf. `begun`: it has left its trace."""

    address = "http://cluster:8265"

    def __init__(self, store, deaf=False, begun=True):
        self.store, self.deaf, self.killed, self.sent = store, deaf, [], []
        if begun:
            begin_job(store, "jobs/j")

    def find(self, job):
        if job in self.killed:
            return Job(job, "STOPPED")
        if not self.deaf and cancel_requested(self.store, f"jobs/{job}"):
            return Job(job, "FAILED", exit_code=130)
        return Job(job, "RUNNING", metadata={"storage": self.store.uri})

    def submit(self, job, entrypoint, folder, env, metadata):
        """Carry a request out where the storage is; a second one is refused, as Ray does."""
        if job in self.sent:
            raise JobExistsError("already exists")
        self.sent.append(job)
        assert entrypoint == "python -m jobs.cancel request.json"
        cancelling.carry_out(folder / "request.json")

    def stop(self, job):
        self.killed.append(job)


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path))
    store.write("here", b"")
    return store


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(cancelling, "LOOK_S", 0.01)


def cancel(cluster, wait_s=1.0, force=False):
    return cancelling.cancel(cluster, cluster.find("j"), wait_s, force, lambda line: None)


def test_a_job_that_is_asked_ends_by_itself(store):
    cluster = Cluster(store)
    assert state_of(cancel(cluster, force=True)) == "cancelled"
    assert cluster.killed == []


def test_a_deaf_job_is_not_killed_without_force(store):
    cluster = Cluster(store, deaf=True)
    with pytest.raises(ClusterError, match="has not stopped"):
        cancel(cluster, wait_s=0.05)
    assert cluster.killed == []


def test_a_deaf_job_is_killed_with_force_after_it_was_asked(store):
    cluster = Cluster(store, deaf=True)
    assert cancel(cluster, wait_s=0.05, force=True).state == "STOPPED"
    assert cancel_requested(store, "jobs/j")


def test_a_job_that_is_seen_in_its_storage_is_asked_from_here(store):
    cluster = Cluster(store)
    cancel(cluster)
    assert cluster.sent == []


def test_a_job_whose_storage_is_elsewhere_is_asked_by_a_job_on_the_cluster(store):
    cluster = Cluster(store, begun=False)
    assert state_of(cancel(cluster)) == "cancelled"
    assert cluster.sent == ["cancel-j"]


def test_asking_on_the_cluster_twice_is_no_error(store):
    cluster = Cluster(store, begun=False, deaf=True)
    for _ in range(2):
        with pytest.raises(ClusterError, match="has not stopped"):
            cancel(cluster, wait_s=0)


def test_a_job_of_somebody_else_is_not_asked_but_can_be_forced(store):
    cluster = Cluster(store, deaf=True)
    foreign = Job("j", "RUNNING")
    with pytest.raises(ClusterError, match="was not submitted by novelray"):
        cancelling.cancel(cluster, foreign, 0, False, lambda line: None)
    assert cancelling.cancel(cluster, foreign, 0, True, lambda line: None).state == "STOPPED"


def test_a_job_that_is_over_is_left_alone(store):
    done = Job("j", "SUCCEEDED")
    assert cancelling.cancel(Cluster(store), done, 1, True, lambda line: None) is done


@pytest.mark.parametrize(
    ("job", "words", "code"),
    [
        (Job("j", "SUCCEEDED", exit_code=0), "succeeded", 0),
        (Job("j", "STOPPED"), "stopped", 130),
        (Job("j", "FAILED", exit_code=130), "cancelled", 130),
        (Job("j", "FAILED", exit_code=2), "failed (the input was refused)", 2),
        (Job("j", "FAILED", exit_code=3), "failed (worth another try)", 3),
        (Job("j", "FAILED", exit_code=-9), "failed", 4),
        (Job("j", "FAILED"), "failed", 4),
    ],
)
def test_a_state_reads_like_its_exit_code(job, words, code):
    assert state_of(job) == words
    assert exit_code_of(job) == code
    assert as_dict(job)["meaning"] == words


def test_progress_is_that_of_the_jobs_own_run(store):
    job = Job("j", "RUNNING", metadata={"storage": store.uri})
    assert progress_of(job) is None
    event = {
        "stage": "main",
        "step": 5,
        "steps": 20,
        "loss": 3.25,
        "tokens_per_s": 1234.5,
        "eta_s": 65,
        "kind": "train",
    }
    store.write("jobs/j/run.json", b'{"run": "runs/a"}')
    store.write("runs/a/progress.json", json.dumps(event).encode())
    store.write("runs/b/progress.json", json.dumps({**event, "step": 9}).encode())
    assert progress_of(job).line() == "main step 5 of 20 · loss 3.2500 · 1,234 tokens/s · 1:05 left"


@pytest.mark.parametrize("torn", [b"", b"{", b"[]", b'{"stage": "main"}', b'{"kind": "start"}'])
def test_progress_that_cannot_be_read_is_left_out(store, torn):
    store.write("jobs/j/run.json", b'{"run": "runs/a"}')
    store.write("runs/a/progress.json", torn)
    assert progress_of(Job("j", "RUNNING", metadata={"storage": store.uri})) is None


def test_asking_twice_is_asking_once(store):
    request_cancel(store, "jobs/j")
    first = store.read("jobs/j/cancel")
    request_cancel(store, "jobs/j")
    assert store.read("jobs/j/cancel") == first


def test_clock_reads_like_a_clock():
    assert [clock(s) for s in (0, 65, 3725, -3)] == ["0:00", "1:05", "1:02:05", "0:00"]

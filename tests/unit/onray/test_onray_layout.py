"""How workers are laid out on a cluster, and which failures another attempt may mend: decided without a cluster."""

import pickle
import threading
import time

import pytest
import ray.exceptions

from novelray.errors import CancelledError, CapacityError, DiskFullError, PreemptedError, StorageError, TrainError
from novelray.onray.train import AttemptError, _in_thread, failure_of, layout_for
from novelray.recipe.scaling import ScalingSection
from novelray.train.retry import Cause


def layout(nodes, **scaling):
    total = {name: sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU")}
    found = layout_for(ScalingSection(**scaling), total, nodes)
    return found.workers, found.gpu, found.cpus


@pytest.mark.parametrize(
    ("nodes", "scaling", "expected"),
    [
        ([{"CPU": 2}], {}, (1, False, 2)),
        ([{"CPU": 2}], {"workers": 2}, (2, False, 1)),
        ([{"CPU": 8}], {"workers": 3}, (3, False, 2)),
        ([{"CPU": 8}], {"workers": 3, "cpus_per_worker": 1}, (3, False, 1)),
        ([{"CPU": 64, "GPU": 8}], {"workers": 8}, (8, True, 4)),
        ([{"CPU": 64, "GPU": 8}], {"workers": 9}, (9, False, 7)),
        ([{"CPU": 64, "GPU": 8}], {"workers": 8, "device": "cpu"}, (8, False, 8)),
        ([{"CPU": 4, "GPU": 4}], {"workers": 4}, (4, True, 1)),
    ],
)
def test_workers_share_what_the_cluster_has(nodes, scaling, expected):
    assert layout(nodes, **scaling) == expected


@pytest.mark.parametrize(
    ("nodes", "scaling", "expected"),
    [
        ([{"CPU": 4}, {"CPU": 2}], {"workers": 2}, (2, False, 2)),
        ([{"CPU": 2}, {"CPU": 2}], {"workers": 1}, (1, False, 2)),
        ([{"CPU": 7}, {"CPU": 1}], {"workers": 2}, (2, False, 3)),
        ([{"CPU": 2, "GPU": 4}, {"CPU": 32}], {"workers": 2}, (2, True, 1)),
    ],
)
def test_no_worker_lies_across_two_nodes(nodes, scaling, expected):
    assert layout(nodes, **scaling) == expected


@pytest.mark.parametrize(
    ("nodes", "scaling", "words"),
    [
        ([{"CPU": 2}], {"device": "gpu"}, ("1 GPU(s)", "has 0", "scaling.device")),
        ([{"CPU": 8, "GPU": 2}], {"workers": 4, "device": "gpu"}, ("4 GPU(s)", "has 2", "scaling.workers to 2")),
        ([{"CPU": 2}], {"workers": 3}, ("3 worker(s)", "has 2", "scaling.workers")),
        ([{"CPU": 2}], {"workers": 2, "cpus_per_worker": 2}, ("2 CPU(s)", "has 2", "scaling.cpus_per_worker")),
        ([{"CPU": 3}, {"CPU": 3}], {"workers": 3, "cpus_per_worker": 2}, ("at most 3", "room for 2", "add nodes")),
        ([{"CPU": 1, "GPU": 2}, {"CPU": 9}], {"workers": 2, "device": "gpu"}, ("a GPU", "room for 1", "add nodes")),
    ],
)
def test_more_than_the_cluster_has_is_refused_with_both_numbers(nodes, scaling, words):
    with pytest.raises(CapacityError) as caught:
        layout(nodes, **scaling)
    assert all(word in str(caught.value) for word in words), str(caught.value)


class Wrapped(Exception):
    """What Ray makes of a worker's error."""

    def __init__(self, inner):
        super().__init__(str(inner))
        self._base_exc = inner


def failure(*causes):
    from ray.train.v2.api.exceptions import WorkerGroupError

    return failure_of(WorkerGroupError("failed", {rank: Wrapped(cause) for rank, cause in enumerate(causes)}))


def test_what_a_user_has_to_mend_is_raised_and_not_tried_again():
    assert isinstance(failure(RuntimeError("connection reset by peer"), TrainError("nan", "")), TrainError)
    assert isinstance(failure(CancelledError("cancelled")), CancelledError)
    assert isinstance(failure(DiskFullError("full")), DiskFullError)


def test_what_may_pass_is_tried_again_and_says_what_it_was():
    assert failure(StorageError("timeout")).cause is Cause.STORAGE
    lost = failure(RuntimeError("Connection closed by peer\nmore lines"))
    assert isinstance(lost, AttemptError)
    assert "a worker was lost (RuntimeError: Connection closed by peer)" in lost.message


def test_the_cause_of_a_failure_is_told_from_its_consequences():
    """When one rank ends, the others fail too, with errors of the network."""
    gone, collateral = ray.exceptions.ActorDiedError(), RuntimeError("[gloo] Connection reset by peer")
    assert failure(collateral, gone).cause is Cause.LOST
    assert failure(collateral, PreemptedError("taken back")).cause is Cause.PREEMPTED
    bug = failure(KeyError("weights"))
    assert bug.cause is Cause.ERROR
    assert "a worker met an error (KeyError: 'weights')" in bug.message
    assert pickle.loads(pickle.dumps(bug)).cause is Cause.ERROR


def test_the_first_interrupt_asks_and_the_second_stops_at_once(monkeypatch):
    """As Ctrl-C arrives: in the waiting main thread."""
    from concurrent.futures import Future

    asked, release = [], threading.Event()
    waits = []
    result = Future.result

    def interrupted(self, timeout=None):
        waits.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(Future, "result", interrupted)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        _in_thread(lambda: release.wait(20), lambda: asked.append(1))
    assert (len(asked), len(waits)) == (1, 2)
    assert time.monotonic() - began < 5
    release.set()
    monkeypatch.setattr(Future, "result", result)


def test_a_run_that_ends_while_it_is_cancelled_does_not_go_on_to_the_next_stage(monkeypatch):
    from concurrent.futures import Future

    result, calls = Future.result, []

    def interrupted_once(self, timeout=None):
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return result(self, timeout)

    monkeypatch.setattr(Future, "result", interrupted_once)
    with pytest.raises(CancelledError):
        _in_thread(lambda: "done", lambda: None)

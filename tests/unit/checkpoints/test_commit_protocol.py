import threading

import pytest
import torch

from novelray.checkpoints.commit import Committer, best, commits, latest
from novelray.errors import StorageError
from novelray.storage import Store

RUN = "runs/r"


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


def committer(store, rank=0, world=1, keep=2, attempt="a", wait_s=5.0):
    return Committer(store, RUN, attempt, rank, world, keep, wait_s)


def save(store, step, loss=None, **options):
    writer = committer(store, **options)
    writer.save(step, {"weight/w": torch.full((3,), float(step))}, {"validation_loss": loss})
    writer.wait()


def test_what_was_committed_comes_back_bit_for_bit(store):
    value = torch.randn(5, 7)
    writer = committer(store)
    writer.save(3, {"weight/w": value, "exp_avg/w": value * 2}, {"validation_loss": None, "cursor": [0, 3]})
    writer.wait()
    commit = latest(store, RUN)
    assert commit.step == 3
    assert commit.state["cursor"] == [0, 3]
    assert torch.equal(dict(commit.tensors())["weight/w"], value)
    assert list(dict(commit.tensors(lambda name: name.startswith("exp_avg/")))) == ["exp_avg/w"]


def test_there_is_no_commit_until_every_rank_has_written(store):
    first = committer(store, 0, 2)
    first.save(1, {"weight/a": torch.ones(1)}, {"validation_loss": None})
    assert latest(store, RUN) is None
    second = committer(store, 1, 2)
    second.save(1, {"weight/b": torch.ones(1)}, {})
    first.wait()
    second.wait()
    assert set(dict(latest(store, RUN).tensors())) == {"weight/a", "weight/b"}


def test_a_rank_that_never_writes_is_an_error_that_says_why(store):
    first = committer(store, 0, 2, wait_s=0.2)
    first.save(1, {"weight/a": torch.ones(1)}, {"validation_loss": None})
    with pytest.raises(StorageError, match="reachable from every node"):
        first.wait()


def test_only_the_newest_and_the_best_commits_are_kept(store):
    for step, loss in [(1, 3.0), (2, 1.0), (3, 2.0), (4, None), (5, 2.5)]:
        save(store, step, loss)
    assert [c.step for c in commits(store, RUN)] == [5, 4, 2]
    assert best(store, RUN).step == 2
    assert latest(store, RUN).step == 5


def test_the_commit_before_is_deleted_only_after_the_next_one(store):
    save(store, 1, keep=1)
    second = committer(store, 0, 2, keep=1, attempt="b", wait_s=0.2)
    second.save(2, {"weight/w": torch.ones(3)}, {"validation_loss": None})
    with pytest.raises(StorageError):
        second.wait()
    assert latest(store, RUN).step == 1


def test_saving_does_not_wait_for_the_disk(store, monkeypatch):
    gate = threading.Event()
    original = Store.put
    monkeypatch.setattr(Store, "put", lambda self, *a: (gate.wait(5), original(self, *a)))
    writer = committer(store)
    writer.save(1, {"weight/w": torch.ones(3)}, {"validation_loss": None})
    assert latest(store, RUN) is None  # we are here although nothing is written yet
    gate.set()
    writer.wait()
    assert latest(store, RUN).step == 1


def test_a_damaged_best_commit_is_not_exported(store):
    save(store, 1, 1.0)
    save(store, 2, 2.0)
    path = next(e.path for e in store.files(commits_folder(store, 1)) if e.path.endswith("safetensors"))
    store.write(path, b"damaged")
    told = []
    assert best(store, RUN, told.append).step == 2
    assert "does not match" in told[0]


def commits_folder(store, step):
    return next(c.folder for c in commits(store, RUN) if c.step == step)

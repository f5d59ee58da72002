"""A node of a two-node cluster is taken back with notice, and then another is lost without: one run, nothing lost."""

import json
import multiprocessing
import os
import shutil
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from support import training

pytestmark = [pytest.mark.slow, pytest.mark.ray]
STEPS = 150


def scenario(job, report):
    """A cluster of two nodes with a CPU each, and a run over both. What happened is written to `report`."""
    # In a folder of its own (a short one: sockets lie in it), so that no other test takes this cluster for its own.
    os.environ["RAY_TMPDIR"] = own = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    import ray
    from ray._raylet import GcsClient
    from ray.cluster_utils import Cluster

    from novelray.checkpoints.commit import latest
    from novelray.onray.train import train

    cluster = Cluster(initialize_head=True, connect=False, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, logging_level="error", log_to_driver=False)
    lines, seen = [], {}
    with ThreadPoolExecutor(1) as pool:
        training_run = pool.submit(train, job, lines.append)

        at_step(job, 10)
        deadline_ms = int((time.time() + 60) * 1000)
        GcsClient(address=cluster.address).drain_node(second.node_id, 2, "spot", deadline_ms)  # 2: preemption
        until(lambda: any("taken back" in line for line in lines))
        seen["committed on notice"] = latest(job.artifacts.store, job.run).step
        cluster.remove_node(second, allow_graceful=True)
        third = cluster.add_node(num_cpus=1)

        at_step(job, seen["committed on notice"] + 15)
        cluster.remove_node(third, allow_graceful=False)
        until(lambda: any("was lost" in line for line in lines))
        seen["committed before loss"] = latest(job.artifacts.store, job.run).step
        cluster.add_node(num_cpus=1)
        training_run.result(400)
    report.write_text(json.dumps({"lines": lines, **seen}), "utf-8")
    ray.shutdown()
    cluster.shutdown()
    shutil.rmtree(own, ignore_errors=True)


def until(condition, timeout_s=400):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def at_step(job, step):
    from novelray.telemetry.journal import read_journal

    until(lambda: any(e["kind"] == "train" and e["step"] >= step for e in read_journal(job.artifacts.store, job.run)))


@pytest.mark.timeout(900)
def test_a_run_outlives_a_preemption_and_the_loss_of_a_node(tmp_path):
    from novelray.recipe.scaling import ScalingSection
    from novelray.storage import Artifacts, Store
    from novelray.telemetry.journal import read_journal

    job = training.tiny_job(
        Artifacts(Store(str(tmp_path / "store"))), tmp_path, max_steps=STEPS, epochs=100, validate_every=STEPS
    )
    quick = job.telemetry.model_copy(update={"flush_s": 0.02})
    # One retry: were the notice counted too, the loss of a node would end the run.
    job = training.variant(job, "two nodes", scaling=ScalingSection(workers=2, retries=1), telemetry=quick,
                           checkpoint_every=5)  # fmt: skip
    child = multiprocessing.get_context("spawn").Process(target=scenario, args=(job, tmp_path / "report.json"))
    child.start()
    child.join(840)
    assert child.exitcode == 0
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    events = list(read_journal(job.artifacts.store, job.run))
    starts = [e["from_step"] for e in events if e["kind"] == "start"]
    assert starts == [0, report["committed on notice"], report["committed before loss"]]
    assert report["committed on notice"] % 5, "the notice itself made it commit, and not the next round number"
    assert all(torch.isfinite(w).all() for w in training.weights(job).values())

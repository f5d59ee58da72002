"""What each node of a cluster finds on itself: a small task per node, pinned there."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from dataclasses import dataclass
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from novelray.errors import ClusterError
from novelray.onray import session
from novelray.recipe.storage import StorageSection
from novelray.storage import Store
from novelray.storage.probe import probe

ANSWER_S = 60.0
COMPARED = ("novelray", "ray", "torch", "transformers", "deepspeed", "pyarrow")


@dataclass(frozen=True)
class NodeReport:
    """One node: free and total bytes of the disk with Ray's folder, the storage's problem, versions unlike ours."""

    node: str
    disk_free: int
    disk_total: int
    storage_problem: str | None = None
    versions_differ: str = ""


def probe_nodes(address: str, storage: StorageSection | None) -> list[NodeReport]:
    """Ask every living node. Raises ClusterError when the cluster, or a node within a minute, does not answer."""
    with session.session(address):
        alive = {n["NodeID"]: n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"]}
        tasks = {node: _look_on(node).remote(_name(node, ip), storage, versions()) for node, ip in alive.items()}
        done, late = ray.wait(list(tasks.values()), num_returns=len(tasks), timeout=ANSWER_S)
        if late:
            names = ", ".join(_name(n, alive[n]) for n, task in tasks.items() if task in late)
            raise ClusterError(f"No answer within {ANSWER_S:.0f} s from: {names}.", "Is the node up? See: ray status")
        return list(ray.get(done))


def versions() -> dict[str, str]:
    """The versions that have to be the same on every node."""
    found = {d.name: d.version for d in importlib.metadata.distributions() if d.name in COMPARED}
    return {"python": f"{sys.version_info[0]}.{sys.version_info[1]}", **dict(sorted(found.items()))}


def _look_on(node: str) -> Any:
    # No CPU asked for: the doctor must not wait for a busy node's work to end.
    return ray.remote(num_cpus=0, max_retries=0)(_look).options(
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
    )


def _look(name: str, storage: StorageSection | None, expected: dict[str, str]) -> NodeReport:
    usage = shutil.disk_usage(ray._private.worker._global_node.get_session_dir_path())  # type: ignore[attr-defined]
    problem = probe(Store(storage.root, storage.endpoint)) if storage else None
    here = versions()
    differ = [f"{n} {here.get(n, 'missing')} (driver: {v})" for n, v in expected.items() if here.get(n) != v]
    return NodeReport(name, usage.free, usage.total, problem, ", ".join(differ))


def _name(node: str, ip: str) -> str:
    return f"{ip}/{node[:6]}"  # several nodes may share an address

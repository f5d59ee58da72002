"""Training under Ray Train: capacity, the worker, retries by cause. The loop is in novelray/train/ and knows no Ray."""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import ray
import ray.train
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer
from ray.train.v2.api.exceptions import ControllerError, PreemptionError, TrainingFailedError, WorkerGroupError

from novelray.checkpoints.commit import commits
from novelray.errors import (
    EXIT_RETRY,
    CancelledError,
    CapacityError,
    DiskFullError,
    GaveUpError,
    NovelRayError,
    PreemptedError,
)
from novelray.recipe.scaling import ScalingSection
from novelray.storage import Artifact
from novelray.telemetry.bar import progress_bar
from novelray.telemetry.control import forwarding, request_cancel
from novelray.train.job import Job, Place
from novelray.train.retry import Cause, Failure, decide
from novelray.train.unfinished import begin, finish

Result = TypeVar("Result")
Resources = Mapping[str, float]
REJOIN_S = 300.0
"""Longest wait, before another attempt, for a lost node to come back."""

os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")  # a finished or lost worker is seen sooner
os.environ.setdefault("RAY_TRAIN_PREEMPTION_POLL_INTERVAL_S", "1")  # some platforms give 30 s from notice to end


@dataclass(frozen=True)
class Layout:
    """What each worker gets."""

    workers: int
    gpu: bool
    cpus: int

    @property
    def resources(self) -> dict[str, float]:
        return {"CPU": self.cpus, **({"GPU": 1} if self.gpu else {})}


def layout_for(scaling: ScalingSection, available: Resources, nodes: Sequence[Resources] = ()) -> Layout:
    """How the scaling section fits what the cluster has, all together (`available`) and per node. Pure.

    Without `nodes` the cluster is one node. Raises CapacityError when it does not fit: Ray would wait for ever.
    """
    gpus, cpus = int(available.get("GPU", 0)), int(available.get("CPU", 0))
    gpu = scaling.device == "gpu" or (scaling.device == "auto" and gpus >= scaling.workers)
    if gpu and gpus < scaling.workers:
        raise CapacityError(
            f"The recipe asks for {scaling.workers} GPU(s) and the cluster has {gpus}.",
            f"Set scaling.workers to {gpus}, add nodes, or set scaling.device to cpu."
            if gpus
            else "Set scaling.device to cpu or auto, or connect to a cluster with GPUs (RAY_ADDRESS).",
        )
    nodes = nodes or (available,)
    most = max(int(node.get("CPU", 0)) for node in nodes)
    sizes = (scaling.cpus_per_worker,) if scaling.cpus_per_worker else range(min(4, most) if gpu else most, 0, -1)
    fitting = [size for size in sizes if _places(nodes, size, gpu) >= scaling.workers]
    if not fitting:
        each = scaling.cpus_per_worker or 1
        raise CapacityError(
            f"The recipe asks for {scaling.workers} worker(s) of {each} CPU(s){' and a GPU' if gpu else ''} and the "
            f"cluster has {cpus}, at most {most} of them on one node, with room for {_places(nodes, each, gpu)}.",
            "Lower scaling.workers or scaling.cpus_per_worker, or add nodes.",
        )
    return Layout(scaling.workers, gpu, fitting[0])


def _places(nodes: Sequence[Resources], cpus: int, gpu: bool) -> int:
    """How many workers of so many CPUs, and a GPU each, find room on the nodes: a worker cannot lie across two."""
    rooms = [int(node.get("CPU", 0)) // cpus for node in nodes]
    return sum(min(room, int(node.get("GPU", 0))) if gpu else room for room, node in zip(rooms, nodes, strict=True))


def layout_now(scaling: ScalingSection, patience_s: float = 0.0) -> Layout:
    """`layout_for` the cluster as it is, which may take so many seconds to get back a node that it lost."""
    end = time.monotonic() + patience_s
    while True:
        try:
            nodes = _staying_nodes()
            total = {name: sum(node.get(name, 0) for node in nodes) for name in ("CPU", "GPU")}
            return layout_for(scaling, total, nodes)
        except CapacityError:
            if time.monotonic() >= end:
                raise
            time.sleep(1.0)


def _staying_nodes() -> list[Resources]:
    """What the living nodes have, without those that the platform is taking back."""
    leaving = ray._private.state.state.get_draining_nodes()  # type: ignore[attr-defined]
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving]


def train(job: Job, say: Callable[[str], None]) -> Artifact:
    """Run one stage to its model artifact; restarts from the last commit when workers are lost (train/retry.py).

    Raises NovelRayErrors for people: bad input at once, and a changed recipe whose run is unfinished; CancelledError;
    GaveUpError when the retries are used up.
    """
    found = job.artifacts.find(job.plan.id)
    if found is not None:
        say(f"{job.stage.name}: nothing changed, using {found.id}")
        return found
    begin(job)
    layout = layout_now(job.scaling)
    store = job.artifacts.store
    with forwarding(store, job.run), progress_bar(store, job.run, job.stage.name):
        _with_retries(job, layout, say)
    artifact = job.artifacts.get(job.plan.id)
    finish(job)
    say(f"{job.stage.name}: {_summary(artifact)} → {artifact.id}")
    return artifact


def _summary(artifact: Artifact) -> str:
    counts = artifact.counts
    loss = counts["validation_loss"]
    held_out = "" if loss is None else f", held-out loss {loss:.4f}"
    return f"{counts['method']} to step {counts['step']}{held_out}"


def _with_retries(job: Job, layout: Layout, say: Callable[[str], None]) -> None:
    # "auto" is decided once: a run that has lost its GPUs waits for them and does not crawl on.
    scaling = job.scaling.model_copy(update={"device": "gpu" if layout.gpu else "cpu"})
    failures: list[Failure] = []
    while True:
        patience_s = REJOIN_S if failures else 0.0
        lost = _in_thread(partial(_attempt, job, scaling, patience_s), lambda: _cancel(job, say))
        if lost is None:
            return
        failures.append(Failure(lost.cause, lost.message, _committed(job)))
        decision = decide(failures, job.scaling.retries)
        if not decision.again:
            break
        say(f"{job.stage.name}: {lost.message} Going on from the last commit ({decision.why}).")
        time.sleep(decision.wait_s)
    raise GaveUpError(
        f"Stage {job.stage.name!r} failed {len(failures)} times; last: {failures[-1].text}",
        "What was committed is kept. Look at the workers' logs, then run the same command again.",
    )


def _committed(job: Job) -> int | None:
    """Step of the newest commit: whether a run gets on is read from it."""
    return next((commit.step for commit in commits(job.artifacts.store, job.run)), None)


def _cancel(job: Job, say: Callable[[str], None]) -> None:
    say(f"{job.stage.name}: committing, then stopping (Ctrl-C again to stop at once).")
    request_cancel(job.artifacts.store, job.run)


def _in_thread(work: Callable[[], Result], on_interrupt: Callable[[], None]) -> Result:
    """Run `work` beside the main thread, which is left free for Ctrl-C: the first asks politely, the second stops.

    Ray Train would answer Ctrl-C by killing the workers, and the steps since the last commit would be lost.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # Not a pool: the interpreter waits for a pool's threads, and the second Ctrl-C has to be the last one.
    threading.Thread(target=run, name="train", daemon=True).start()
    try:
        return future.result()
    except KeyboardInterrupt:
        on_interrupt()
    future.result()
    raise CancelledError("Cancelled when the training was done.", "Run the same command again to go on from there.")


def _attempt(job: Job, scaling: ScalingSection, patience_s: float) -> AttemptError | None:
    """One start of the worker group. Returns None when done, or why it failed. Raises what a retry cannot mend."""
    try:
        trainer_for(job, layout_now(scaling, patience_s)).fit()
    except TrainingFailedError as error:
        failure = failure_of(error)
        if isinstance(failure, AttemptError):
            return failure
        raise failure from None
    finally:
        job.artifacts.store.delete(f"{job.run}/ray")
    return None


def trainer_for(job: Job, layout: Layout, callbacks: list[Any] | None = None) -> TorchTrainer:
    """The Ray Train run of a stage; `callbacks` hear its reports."""
    return TorchTrainer(
        _worker,
        train_loop_config={"job": job, "gpu": layout.gpu},
        scaling_config=ScalingConfig(
            num_workers=layout.workers, use_gpu=layout.gpu, resources_per_worker=layout.resources
        ),
        torch_config=TorchConfig(timeout_s=job.scaling.collective_timeout_s),
        run_config=_run_config(job, callbacks),
    )


def _run_config(job: Job, callbacks: list[Any] | None) -> RunConfig:
    """A fresh name each time: Ray continues an old run when a name is used again, and our commits are what counts."""
    store = job.artifacts.store
    return RunConfig(
        name=uuid.uuid4().hex[:12],
        storage_path=f"{store.base}/{job.run}/ray",
        storage_filesystem=store.fs,
        failure_config=FailureConfig(max_failures=0, max_preemption_failures=0),  # type: ignore[call-arg]
        callbacks=callbacks,
    )


class AttemptError(NovelRayError):
    """An attempt failed in a way that another one may not. `cause` decides how often that is tried."""

    exit_code = EXIT_RETRY

    def __init__(self, message: str, hint: str = "", cause: Cause = Cause.LOST) -> None:
        super().__init__(message, hint)
        self.cause = cause


PEER_IS_GONE = re.compile(r"closed by peer|reset by peer|broken pipe|timed? ?out|gloo|nccl|connection refused", re.I)
"""How a worker's collective operations fail when another worker, or the way to it, is lost."""


def failure_of(error: TrainingFailedError) -> NovelRayError:
    """Why training failed: an error of ours that a worker raised and no retry can mend, or an AttemptError."""
    failures = list(error.worker_failures.values()) if isinstance(error, WorkerGroupError) else []
    if isinstance(error, ControllerError):
        failures = [error.controller_failure]
    causes: list[BaseException] = [getattr(failure, "_base_exc", failure) for failure in failures] or [error]
    for final in causes:
        if isinstance(final, DiskFullError) or (isinstance(final, NovelRayError) and final.exit_code != EXIT_RETRY):
            return final  # a full disk has room again only when somebody makes some
    # One rank's end makes the others fail in their own ways: what says most about the cause comes first.
    cause, first = min(((_cause(c), c) for c in causes), key=lambda pair: list(Cause).index(pair[0]))
    text = (str(first).strip().splitlines() or ["no message"])[0]
    what = {Cause.LOST: "a worker was lost", Cause.ERROR: "a worker met an error"}.get(cause)
    return AttemptError(text if what is None else f"{what} ({type(first).__name__}: {text}).", cause=cause)


def _cause(error: BaseException) -> Cause:
    """The cause that one worker's failure speaks for."""
    seen = getattr(error, "health_check_failure", error)
    if isinstance(error, PreemptedError | PreemptionError) or getattr(seen, "preempted", False):
        return Cause.PREEMPTED
    if isinstance(error, NovelRayError):
        return Cause.STORAGE
    if seen is not error or isinstance(error, ray.exceptions.RayError | TrainingFailedError):
        return Cause.LOST
    return Cause.LOST if PEER_IS_GONE.search(str(error)) else Cause.ERROR


def _worker(config: dict[str, Any]) -> None:
    """What Ray Train runs on each worker."""
    marks = {"process": _process_start(), "function": time.time()}
    job: Job = config["job"]
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    if not config["gpu"]:
        os.environ["DS_ACCELERATOR"] = "cpu"
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(world), LOCAL_RANK=str(context.get_local_rank()))
    os.environ.setdefault("DS_LOG_LEVEL", "error")
    from novelray.train.stage import run_stage

    device = str(ray.train.torch.get_device()) if config["gpu"] else "cpu"
    place = Place(rank, world, device, _common_attempt(rank), marks, _preempted)
    run_stage(job, place, lambda metrics: ray.train.report(metrics))


def _preempted() -> bool:
    """Whether a node with a worker of this run is about to go, as far as this worker was told.

    The public `ray.train.get_preemption_info` is a barrier: every step would wait for all workers, only to agree on
    what the loop adds up over them anyway.
    """
    from ray.train.v2._internal.execution.context import get_train_context

    return get_train_context().preemption_context.preemption_info is not None


def _process_start() -> float:
    """When this process began, seconds since 1970; Ray may have had it waiting."""
    return os.stat("/proc/self").st_ctime if os.path.exists("/proc/self") else time.time()


def _common_attempt(rank: int) -> str:
    """One name for this start of the group, the same on every rank."""
    import torch.distributed as dist

    names = [uuid.uuid4().hex[:8] if rank == 0 else ""]
    if dist.is_initialized():
        dist.broadcast_object_list(names, src=0)
    return names[0]

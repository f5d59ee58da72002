"""Training under Ray Train: capacity, the worker, retries by cause. The loop is in novelray/train/ and knows no Ray."""

from __future__ import annotations

import os
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
from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError, WorkerGroupError

from novelray.errors import EXIT_RETRY, CancelledError, CapacityError, DiskFullError, GaveUpError, NovelRayError
from novelray.recipe.scaling import ScalingSection
from novelray.storage import Artifact
from novelray.telemetry.bar import progress_bar
from novelray.telemetry.control import forwarding, request_cancel
from novelray.train.job import Job, Place
from novelray.train.unfinished import begin, finish

Result = TypeVar("Result")
Resources = Mapping[str, float]
REJOIN_S = 300.0
"""Longest wait, before another attempt, for a lost node to come back."""

os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")  # a finished or lost worker is seen sooner


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
            nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
            return layout_for(scaling, ray.cluster_resources(), nodes)
        except CapacityError:
            if time.monotonic() >= end:
                raise
            time.sleep(1.0)


def train(job: Job, say: Callable[[str], None]) -> Artifact:
    """Run one stage to its model artifact; restarts from the last commit when workers are lost, as often as allowed.

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
    for attempt in range(job.scaling.retries + 1):
        patience_s = REJOIN_S if attempt else 0.0
        cause = _in_thread(partial(_attempt, job, scaling, patience_s), lambda: _cancel(job, say))
        if cause is None:
            return
        if attempt < job.scaling.retries:
            say(f"{job.stage.name}: {cause} Going on from the last commit ({attempt + 1} of {job.scaling.retries}).")
    raise GaveUpError(
        f"Stage {job.stage.name!r} failed {job.scaling.retries + 1} times; last: {cause}",
        "What was committed is kept. Look at the workers' logs, then run the same command again.",
    )


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


def _attempt(job: Job, scaling: ScalingSection, patience_s: float) -> str | None:
    """One start of the worker group. Returns None when done, or why it was lost. Raises what a retry cannot mend."""
    try:
        trainer_for(job, layout_now(scaling, patience_s)).fit()
    except TrainingFailedError as error:
        failure = failure_of(error)
        if isinstance(failure, LostWorkerError):
            return failure.message
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
        failure_config=FailureConfig(max_failures=0),
        callbacks=callbacks,
    )


class LostWorkerError(NovelRayError):
    """A worker or node went away, or raised something that another try may not meet again."""

    exit_code = EXIT_RETRY


def failure_of(error: TrainingFailedError) -> NovelRayError:
    """Why training failed: an error of ours that a worker raised and no retry can mend, or a LostWorkerError."""
    failures = list(error.worker_failures.values()) if isinstance(error, WorkerGroupError) else []
    if isinstance(error, ControllerError):
        failures = [error.controller_failure]
    causes = [getattr(failure, "_base_exc", failure) for failure in failures] or [error]
    for cause in causes:
        if isinstance(cause, DiskFullError) or (isinstance(cause, NovelRayError) and cause.exit_code != EXIT_RETRY):
            return cause  # a full disk has room again only when somebody makes some
    text = (str(causes[0]).strip().splitlines() or ["no message"])[0]
    return LostWorkerError(f"a worker was lost ({type(causes[0]).__name__}: {text}).")


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
    place = Place(rank, world, device, _common_attempt(rank), marks)
    run_stage(job, place, lambda metrics: ray.train.report(metrics))


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

"""What one copy of the model is told, and the Ray Serve options that follow from it. Pure: no cluster is needed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from novelray.endpoint.settings import ChapterSettings, ServedModel, Settings
from novelray.recipe.serve import ServeSection
from novelray.recipe.storage import StorageSection

SPARE_REQUESTS = 64
"""Requests that a replica takes beyond what its engine holds: lists of models, probes, and those we answer 429."""

UPSCALE_S, DOWNSCALE_S = 30.0, 600.0
"""Seconds of load before a replica is added, and of idleness before one leaves: loading a model takes long, and what is
cached in a replica is worth something."""

HANDING_BACK_S = 10.0
"""Of the time in which a replica has to stop, what it keeps for giving chapters back."""

CONSTRUCTOR_TRIES = 2
"""A model that did not load twice will not load the third time; Serve's own 20 tries would take minutes to say so."""


class ReplicaSettings(BaseModel):
    """Plain values, so that they also fit the `args` of a Serve config file (see serve/config.yaml)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    """The model as in novelray/models/source.py: `artifact:ID` in the storage, or `folder:PATH` on every node.

    The base of an adapter is found by itself, and the adapter merged into it unless `serve.adapters` names others."""

    storage: StorageSection = StorageSection()
    """Where artifacts lie. Each node keeps a verified copy of what is remote."""

    version: str
    """Immutable id on the wire: `name@digest`."""

    aliases: tuple[str, ...] = ("latest",)
    """The model also answers to its bare name and to `name@alias` for each of these."""

    device: Literal["auto", "cpu", "gpu"] = "auto"
    """`auto`: a GPU per replica when the cluster has enough of them."""

    threads: int | None = None
    """Threads for computing on the CPU. Default: the cores of the node, shared evenly by the replicas."""

    trust_remote_code: bool = False
    serve: ServeSection = ServeSection()

    surge: bool = False
    """A new version starts beside the old one, which needs room for both; else the old one stops first."""

    def endpoint(self, base: ServedModel | None = None) -> Settings:
        """What the HTTP application is told. `base`: of the model, where that is an adapter beside its base."""
        adapter = {} if base is None else {"adapter": self.version, "parent": base.id}
        return Settings(
            models=(ServedModel.of(self.version, self.aliases, **adapter), *([] if base is None else [base])),
            max_tokens_default=self.serve.max_tokens_default,
            max_body_bytes=self.serve.max_body_bytes,
            queue_timeout_s=self.serve.queue_timeout_s,
            request_timeout_s=self.serve.request_timeout_s,
            chapters=ChapterSettings(**self.serve.chapters.model_dump(), drain_s=self._chapters_drain_s()),
            cors_origins=self.serve.cors_origins,
            access_log=self.serve.access_log,
            sends_request_id=False,  # Serve's proxy does
        )

    def _chapters_drain_s(self) -> float:
        """Chapters end on their version where the next one need not wait for them; else they are given back."""
        return max(0.0, self.serve.drain_s - HANDING_BACK_S) if self.surge else 0.0


def deployment_options(settings: ReplicaSettings) -> dict[str, Any]:
    """Options of the Serve deployment. Serve's defaults are for short requests; texts run for minutes."""
    held = settings.serve.max_batch + settings.serve.max_queue
    return {
        **_scale(settings.serve),
        # Above what the engine holds, so that the engine's own bounded queue answers 429 and nothing waits unseen.
        "max_ongoing_requests": held + SPARE_REQUESTS,
        # What does not even fit there is turned away by the proxy in the same way.
        "max_queued_requests": held + SPARE_REQUESTS,
        "backpressure_config": {"status_code": 429, "retry_after_s": 5},
        "graceful_shutdown_timeout_s": float(settings.serve.drain_s),
        "graceful_shutdown_wait_loop_s": 0.5,
        "health_check_period_s": 10.0,
        "health_check_timeout_s": 60.0,
        "max_constructor_retry_count": CONSTRUCTOR_TRIES,
        "max_surge_percent": 100 if settings.surge else 0,
        "ray_actor_options": {**_actor(settings), "runtime_env": {"env_vars": _environment()}},
        "logging_config": {"enable_access_log": False},
        **_group(settings),
    }


def _scale(section: ServeSection) -> dict[str, Any]:
    """How many replicas: a number, or Serve's autoscaling between two."""
    if section.max_replicas is None or section.max_replicas == section.replicas:
        return {"num_replicas": section.replicas}
    return {
        "autoscaling_config": {
            "min_replicas": section.replicas,
            "max_replicas": section.max_replicas,
            "target_ongoing_requests": section.max_batch,  # more than this and requests wait inside
            "upscale_delay_s": UPSCALE_S,
            "downscale_delay_s": DOWNSCALE_S,
        }
    }


def resources(gpu: bool, gpus: int = 1) -> dict[str, float]:
    """What one replica reserves. The CPU share is small on purpose: other stages must still find room."""
    return {"CPU": 1.0, "GPU": float(gpus)} if gpu else {"CPU": 1.0}


def _actor(settings: ReplicaSettings) -> dict[str, float]:
    assert settings.device != "auto", "decided by deploy(), which sees the cluster"
    if settings.serve.tensor_parallel > 1:
        return {"num_cpus": 1.0, "num_gpus": 0.0}  # the GPUs are for vLLM's workers
    found = resources(settings.device == "gpu")
    return {"num_cpus": found["CPU"], "num_gpus": found.get("GPU", 0.0)}


def _group(settings: ReplicaSettings) -> dict[str, Any]:
    """The placement group of a replica on several GPUs, in which vLLM finds a bundle for each of its workers.

    All on one node: its model folder need not be on any other, and GPUs of several nodes are slow together.
    """
    gpus = settings.serve.tensor_parallel
    if gpus == 1:
        return {}
    bundles = [{"CPU": 1.0, "GPU": 1.0}, *[{"GPU": 1.0}] * (gpus - 1)]
    return {"placement_group_bundles": bundles, "placement_group_strategy": "STRICT_PACK"}


def _environment() -> dict[str, str]:
    return {"TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

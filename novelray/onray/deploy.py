"""Bring the endpoint up on Ray Serve, wait until it answers, and take it down again.

The application itself is `serve.app:application`; it is named here as in a Serve config file, and not imported:
`serve/` stands above the library.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import logging
import re
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve
from ray.serve.context import _get_global_client
from ray.serve.schema import ApplicationStatus

from novelray.endpoint.keys import default_url
from novelray.errors import CapacityError, ClusterError, ModelError
from novelray.onray.replica import ReplicaSettings, resources
from novelray.onray.rollout import CANARY, stop_watch
from novelray.onray.room import Copies, device_for, fits, room_for, shortage
from novelray.recipe.serve import ServeSection

APPLICATION = "serve.app:application"
NAME = "novelray"
READY_S = 900.0
"""Longest wait for the model to load; large ones are read from the network."""

SETTLE_S = 10.0
"""Longest wait for resources of the stage before to come free."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Deployed:
    """An endpoint that answers."""

    url: str
    model: str


def deploy(settings: ReplicaSettings, say: Say, ready_s: float = READY_S) -> Deployed:
    """Start the endpoint, or replace the running one, and return once it answers. Ray must be connected.

    Raises CapacityError when the port is taken or there is no room for the replicas, ModelError when the model does
    not load, ClusterError when it takes longer than `ready_s` seconds.
    """
    section = settings.serve
    check_port(section)
    end = time.monotonic() + ready_s
    bring_up(settings, say, end)
    url = f"http://{_reachable(section.host)}:{section.port}"
    _wait_http(url, end)
    say(f"serve: {settings.version} answers at {url}/v1")
    say(f"serve: metrics for Prometheus at {metrics_url()}")
    return Deployed(url, settings.version)


def metrics_url() -> str:
    """Where the first node shows its metrics; every node does, each its own. Ray must be connected."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    more = f" (and {len(nodes) - 1} other nodes)" if len(nodes) > 1 else ""
    return f"http://{nodes[0]['NodeManagerAddress']}:{nodes[0]['MetricsExportPort']}/metrics{more}"


def bring_up(settings: ReplicaSettings, say: Say, end: float, name: str = NAME, route: str | None = "/") -> None:
    """Start or replace an application; returns when its replicas run. `end`: on the monotonic clock, in seconds."""
    quiet()
    section = settings.serve
    settings = _placed(settings, name)
    _warn(settings, say)
    if running(name) and not settings.surge:
        say("serve: there is no room for another copy: the old version finishes its texts and stops before the new one")
        say("serve: starts, and requests wait for that long; with room for both, none would")
    try:
        serve.start(http_options={"host": section.host, "port": section.port, "request_timeout_s": None})
        target = serve.RunTarget(_application(settings), name=name, route_prefix=route)
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    except (RuntimeError, TimeoutError, ray.exceptions.RayError) as error:
        raise ClusterError(f"Ray Serve did not start: {_last_line(str(error))}", "See: novelray doctor") from error
    say(f"serve: loading {settings.version} on {section.replicas} × {settings.device}")
    _wait_running(end, say, name, resources(settings.device == "gpu", section.tensor_parallel))


def running(name: str = NAME) -> bool:
    """Whether an application of this name is there."""
    quiet()
    return _address_of_serve() is not None and name in serve.status().applications


def undeploy(say: Say, free_port: bool = False) -> None:
    """Take the endpoint down: running generations get `drain_s` to finish. Nothing happens when there is none.

    Serve's proxy keeps the port, for the next endpoint, unless `free_port` is set and nothing else is served.
    """
    if _address_of_serve() is None:
        return
    stop_watch()
    there = [name for name in (CANARY, NAME) if running(name)]
    if there:
        say("serve: stopping; running generations may finish")
        for name in there:
            serve.delete(name, _blocking=False)
        while any(running(name) for name in there):
            time.sleep(0.1)
        say("serve: stopped")
    if free_port and not serve.status().applications:
        serve.shutdown()


def check_port(section: ServeSection) -> None:
    """Raises CapacityError when the port is not free. Our own proxy having it is fine."""
    wanted, running = (section.host, section.port), _address_of_serve()
    if running is not None and running != wanted and not serve.status().applications:
        serve.shutdown()  # it serves nothing, and only a new one can listen elsewhere
        running = None
    if running is None:
        problem = port_problem(*wanted)
        if problem is not None:
            hint = f"Choose another: --set serve.port={section.port + 1 if section.port < 65535 else 8000}"
            raise CapacityError(f"Port {section.port} on {section.host} {problem}.", hint)
    elif running != wanted:
        raise CapacityError(
            f"Ray Serve listens on {running[0]}:{running[1]} in this cluster already, "
            f"and the recipe asks for {section.host}:{section.port}.",
            f"Use --set serve.host={running[0]} --set serve.port={running[1]}, or stop what is served there first.",
        )


def port_problem(host: str, port: int) -> str | None:
    """Why nothing can listen there, or None. The port is free again when this returns."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return "is in use by another program"
        return f"cannot be listened on ({error.strerror or error})"
    return None


def quiet() -> None:
    """Serve logs each step to the screen; ours go through `say`."""
    logging.getLogger("ray.serve").setLevel(logging.ERROR)


def _placed(settings: ReplicaSettings, application: str) -> ReplicaSettings:
    """The settings with the device decided, and with room made certain: Serve itself would wait for ever."""
    device = _device(settings, application)
    section = settings.serve
    surge = room_beside(copies_of(application, section).after(section.replicas, section.max_replicas), section, device)
    keys = settings.serve.keys or default_url()  # the replica's own home may be another one
    section = settings.serve.model_copy(update={"keys": keys})
    return settings.model_copy(update={"device": device, "surge": surge, "serve": section})


def wanted_device(settings: ReplicaSettings) -> str:
    """The device that replicas would get if they had the cluster to themselves, `cpu` or `gpu`."""
    section = settings.serve
    device = "gpu" if section.engine == "vllm" else settings.device
    return device_for(section.replicas, device, ray.cluster_resources(), section.tensor_parallel)


def _device(settings: ReplicaSettings, application: str) -> str:
    """The device. What a finished stage held is seen as free only a moment later: wait for it."""
    end, section, device = time.monotonic() + SETTLE_S, settings.serve, wanted_device(settings)
    total, gpus = ray.cluster_resources(), section.tensor_parallel
    room_for(section.replicas, device, total, total, gpus)  # no use in waiting for what is not there
    while True:
        unused, own = ray.available_resources(), _own_resources(application, gpus)
        free = {name: min(total[name], unused.get(name, 0.0) + own.get(name, 0.0)) for name in total}
        try:
            return room_for(section.replicas, device, total, free, gpus)
        except CapacityError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def room_beside(count: int, section: ServeSection, device: str) -> bool:
    """Whether so many new replicas fit beside all that runs. What is stopping now is waited for, but not for long."""
    end, each = time.monotonic() + SETTLE_S, resources(device == "gpu", section.tensor_parallel)
    while True:
        if fits(count, each, ray.available_resources()):
            return True
        if time.monotonic() > end or not _stopping():
            return False
        time.sleep(0.2)


def copies_of(application: str, section: ServeSection) -> Copies:
    """How many replicas an application has, those that stop left out. `section`: how it is served."""
    deployments = serve.status().applications[application].deployments.values() if running(application) else ()
    states = [item for deployment in deployments for item in deployment.replica_states.items()]
    now = sum(count for state, count in states if state != "STOPPING")
    return Copies(now, section.replicas, section.max_replicas or section.replicas)


def _stopping() -> bool:
    """Whether a replica of any application is being stopped."""
    if _address_of_serve() is None:
        return False
    deployments = [d for app in serve.status().applications.values() for d in app.deployments.values()]
    return any("STOPPING" in deployment.replica_states for deployment in deployments)


def _own_resources(application: str, gpus: int) -> dict[str, float]:
    """What replicas of an application that is about to be replaced hold, if they are as large as the new ones."""
    if not running(application):
        return {}
    held: dict[str, float] = {}
    for deployment in serve.status().applications[application].deployments.values():
        count = sum(deployment.replica_states.values())
        held["CPU"] = held.get("CPU", 0.0) + count
        held["GPU"] = held.get("GPU", 0.0) + count * gpus
    total = ray.cluster_resources()
    return {name: amount for name, amount in held.items() if total.get(name, 0)}


def _warn(settings: ReplicaSettings, say: Say) -> None:
    nodes = sum(1 for node in ray.nodes() if node["Alive"])
    if settings.serve.require_key and nodes > 1 and str(settings.serve.keys).startswith("sqlite"):
        say("serve: warning: the key database is a file, and other nodes do not see it; give serve.keys a database URL")
    if not settings.serve.require_key and settings.serve.host not in ("127.0.0.1", "localhost", "::1"):
        say(f"serve: warning: serve.require_key is off and {settings.serve.host} may be reached from elsewhere")


def _application(settings: ReplicaSettings) -> Any:
    module, _, name = APPLICATION.partition(":")
    return getattr(importlib.import_module(module), name)(settings.model_dump(mode="json"))


def _wait_running(end: float, say: Say, name: str, each: dict[str, float]) -> None:
    """`each`: what one replica reserves."""
    told = ""
    while time.monotonic() < end:
        app = serve.status().applications.get(name)
        message = _problem(app)
        if app is not None and app.status == ApplicationStatus.RUNNING:
            return
        if app is not None and app.status in (ApplicationStatus.DEPLOY_FAILED, ApplicationStatus.UNHEALTHY):
            _clear(app, name)
            raise ModelError(
                f"The endpoint did not start: {_last_line(message)}", "Is the model whole, and does it fit?"
            )
        if message and message != told:
            say(f"serve: {_last_line(message)}")
            told = message
        time.sleep(0.3)
    why = shortage(each, ray.available_resources()) or (f"Ray Serve says: {_last_line(told)}" if told else "")
    message = f"The endpoint did not come up in time. {why}".rstrip()
    raise ClusterError(message, "See the state of its replicas with: serve status, and what is free with: ray status")


def _clear(app: Any, name: str) -> None:
    """Remove what failed, unless the version before it still answers: then that one stays."""
    states = [
        state for deployment in app.deployments.values() for state, count in deployment.replica_states.items() if count
    ]
    if "RUNNING" not in states:
        with contextlib.suppress(Exception):
            serve.delete(name)


def _problem(app: Any) -> str:
    """What Serve says of the application's deployments, else of the application."""
    if app is None:
        return ""
    return next((str(d.message) for d in app.deployments.values() if d.message), str(app.message))


def _wait_http(url: str, end: float) -> None:
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/ready", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise ClusterError(f"{url} does not answer.", "Does a firewall or proxy stand between? See: serve status")


def _address_of_serve() -> tuple[str, int] | None:
    """Host and port on which Serve listens already in this cluster. Serve has no public way to ask."""
    client = _get_global_client(raise_if_no_controller_running=False)
    return None if client is None else (str(client.http_config.host), int(client.http_config.port))


def _reachable(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _last_line(text: str) -> str:
    """Serve passes whole tracebacks on; a person gets the line with the reason."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    reasons = [line for line in lines if "Error" in line.split(":")[0] and not line.startswith("File")]
    return re.sub(r"^[\w.]+Error: ", "", (reasons or lines or ["no reason given"])[-1])[:300]


__all__ = ["Deployed", "ReplicaSettings", "check_port", "deploy", "metrics_url", "port_problem", "undeploy"]

"""Which version clients get: replace it, try a new one on a share of them, keep that or take it back."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Any

import ray

from novelray.endpoint.canary import Split
from novelray.errors import NovelRayError
from novelray.onray.deploy import (
    NAME,
    READY_S,
    Deployed,
    bring_up,
    copies_of,
    deploy,
    room_beside,
    running,
    wanted_device,
)
from novelray.onray.peers import describe_all
from novelray.onray.replica import ReplicaSettings, resources
from novelray.onray.rollout import CANARY, FOLLOWED_S, remove_canary, start_watch, stop_watch, watch
from novelray.onray.room import no_room_beside

Say = Callable[[str], None]


class RolloutError(NovelRayError):
    """What was asked for does not go with what is deployed now."""


def replace(settings: ReplicaSettings, say: Say, ready_s: float = READY_S) -> Deployed:
    """Give all clients this version; texts that are being written are finished by the old one.

    Raises RolloutError while a canary runs, and what `deploy` does.
    """
    if canary := _state(running_only=True):
        raise RolloutError(
            f"{canary['canary']} runs as a canary.", "First: novelray deploy --promote, or novelray deploy --rollback"
        )
    return deploy(settings, say, ready_s)


def start_canary(settings: ReplicaSettings, weight: float, say: Say, ready_s: float = READY_S) -> None:
    """Give this version to a share `weight` (0 to 1) of the clients, always the same ones.

    For a canary that runs already only the share is changed. Raises RolloutError when there is nothing to compare it
    with, and what `deploy` does.
    """
    stable = _settings(NAME)
    name = settings.version.partition("@")[0]
    if stable is None:
        raise RolloutError("Nothing is deployed that a canary could be measured against.", "Deploy without --canary.")
    if stable.version.partition("@")[0] != name:
        raise RolloutError(
            f"{settings.version} is another model than {stable.version}.", "A canary is another version of the same."
        )
    if stable.version == settings.version:
        raise RolloutError(f"{stable.version} is what every client gets already.", "See: novelray deploy --status")
    now = _state(running_only=True)
    if now and now["canary"] == settings.version:
        ray.get(watch().weigh.remote(weight))
    elif now:
        raise RolloutError(
            f"{now['canary']} runs as a canary.", "First: novelray deploy --promote, or novelray deploy --rollback"
        )
    else:
        _start(as_canary(settings, stable, weight), stable, weight, say, ready_s)
    say(f"serve: {settings.version} gets {weight:.0%} of the clients, {stable.version} the others")


def promote(say: Say, ready_s: float = READY_S) -> Deployed:
    """Give all clients the canary. Raises RolloutError when none runs."""
    stable, canary = _settings(NAME), _settings(CANARY)
    if stable is None or canary is None or not _state(running_only=True):
        raise RolloutError("No canary runs.", "Start one: novelray deploy NAME@ALIAS --canary 0.1")
    same = {"replicas": stable.serve.replicas, "max_replicas": stable.serve.max_replicas}
    section = canary.serve.model_copy(update=same)
    done = deploy(canary.model_copy(update={"serve": section}), say, ready_s)
    stop_watch()
    time.sleep(FOLLOWED_S)
    remove_canary()
    return done


def roll_back(say: Say) -> None:
    """Take the canary back: its clients get the stable version, and the texts that it writes are finished.

    Raises RolloutError when none runs.
    """
    state = _state(running_only=True)
    if not state and not running(CANARY):
        raise RolloutError(
            "No canary runs.", "An earlier version comes back with: novelray deploy NAME@DIGEST (see models list)"
        )
    if state:
        ray.get(watch().end.remote("taken back by hand"))
    else:  # what an accident left
        remove_canary()
    say(f"serve: {state['canary'] if state else 'the canary'} is taken back; the texts that it writes may finish")


def status() -> dict[str, Any]:
    """What is deployed: each replica's version and load, by application, and how the canary does or ended."""
    replicas = {
        name: [
            {"version": r["settings"]["version"], "running": r["running"], "waiting": r["waiting"]}
            for r in describe_all(application)
        ]
        for name, application in (("stable", NAME), ("canary", CANARY))
        if running(application)
    }
    return {"replicas": replicas, "canary": _state()}


def told(found: dict[str, Any]) -> list[str]:
    """The status in lines for a person."""
    lines = [
        f"{arm}: {r['version']}, {r['running']} running, {r['waiting']} waiting"
        for arm, replicas in found["replicas"].items()
        for r in replicas
    ]
    state = found["canary"]
    if state is not None:
        share = f"{state['canary']} gets {state['weight']:.0%} of the clients"
        lines.append(f"canary: {share}" if state["running"] else f"canary: {state['canary']} was {state['ended']}")
        lines += [f"  {arm}: {said}" for arm, said in state["told"].items()]
    return lines or ["nothing is deployed"]


def _start(settings: ReplicaSettings, stable: ReplicaSettings, weight: float, say: Say, ready_s: float) -> None:
    name = settings.version.partition("@")[0]
    _check_room(settings, stable)
    bring_up(settings, say, time.monotonic() + ready_s, CANARY, route=None)
    names = (name, *(f"{name}@{alias}" for alias in settings.aliases))
    salt = secrets.token_hex(8)
    split = Split(stable=stable.version, canary=settings.version, names=names, weight=weight, salt=salt)
    start_watch(split, settings.serve.canary)


def _check_room(settings: ReplicaSettings, stable: ReplicaSettings) -> None:
    """Raises CapacityError when the canary does not fit beside the stable version: Serve would wait for ever."""
    section, device = settings.serve, wanted_device(settings)
    if not room_beside(section.replicas, section, device):
        each = resources(device == "gpu", section.tensor_parallel)
        copies, free = copies_of(NAME, stable.serve), ray.available_resources()
        raise no_room_beside(settings.version, section.replicas, each, free, stable.version, copies)


def as_canary(settings: ReplicaSettings, stable: ReplicaSettings, weight: float) -> ReplicaSettings:
    """Under all the names of the stable version, with as many replicas as its share of the clients asks for."""
    replicas = max(1, math.ceil(weight * stable.serve.replicas))
    most = settings.serve.max_replicas
    section = settings.serve.model_copy(
        update={"replicas": replicas, "max_replicas": most and max(most, replicas),
                "host": stable.serve.host, "port": stable.serve.port}
    )  # fmt: skip
    aliases = tuple(dict.fromkeys((*stable.aliases, *settings.aliases)))
    return settings.model_copy(update={"serve": section, "aliases": aliases})


def _settings(application: str) -> ReplicaSettings | None:
    """What the replicas of an application were told."""
    if not running(application):
        return None
    found = describe_all(application)
    return ReplicaSettings.model_validate(found[-1]["settings"]) if found else None


def _state(running_only: bool = False) -> dict[str, Any] | None:
    """What the canary's watch says; None where there is none."""
    actor = watch()
    if actor is None:
        return None
    try:
        found: dict[str, Any] = ray.get(actor.state.remote(), timeout=10)
    except ray.exceptions.RayError:
        return None
    return found if found["running"] or not running_only else None

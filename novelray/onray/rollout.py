"""A canary on the cluster: the actor that watches it, and how each replica follows what the actor says.

The actor is the only one who knows: replicas tell it how requests ended and learn how to divide them, once a second.
Where it is gone there is no canary, and the stable version gets every request.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from dataclasses import astuple
from typing import Any

import ray
from ray import serve
from ray.serve.exceptions import BackPressureError, RayServeException
from starlette.types import Scope, Send

from novelray.endpoint.canary import Outcome, Split, Tally, reason_to_roll_back
from novelray.endpoint.errors import ApiError
from novelray.endpoint.events import event, write
from novelray.endpoint.relay import plain
from novelray.endpoint.splitgate import ForwardError
from novelray.recipe.serve import CanarySection

log = logging.getLogger(__name__)

CANARY = "novelray-canary"
"""The application of the canary. It has no route of its own: what comes there was sent on by the stable one."""

DEPLOYMENT = "endpoint"
ACTOR, NAMESPACE = "novelray-rollout", "novelray"
EXCHANGE_S = 1.0
"""How often a replica tells and asks."""

FOLLOWED_S = 3.0
"""After this long every replica knows that there is no canary any more."""

ACCEPT_S = 5.0
"""Longest wait until a replica of the canary takes a request: there may be none just now."""


class Watch:
    """The actor's body: counts, judges, and takes the canary back."""

    def __init__(self, split: dict[str, Any], section: dict[str, Any]) -> None:
        self._split: Split | None = Split.model_validate(split)
        self._about, self._section = self._split, CanarySection.model_validate(section)
        self._tallies = {"stable": Tally(), "canary": Tally()}
        self._ended: str | None = None

    def exchange(self, outcomes: list[tuple[Any, ...]]) -> dict[str, Any] | None:
        """Take how requests ended; say how to divide the next ones, or None: there is no canary any more."""
        for outcome in (Outcome(*values) for values in outcomes):
            self._tallies[outcome.arm].add(outcome)
        if self._split is not None and self._section.automatic:
            why = reason_to_roll_back(self._tallies["stable"], self._tallies["canary"], self._section)
            if why is not None:
                self.end(f"taken back by itself: {why}")
        return None if self._split is None else self._split.model_dump()

    def end(self, how: str) -> None:
        """All requests go to the stable version from now on; texts that the canary writes are finished there."""
        self._split, self._ended = None, how
        log.warning("the canary %s was %s", self._about.canary, how)
        threading.Timer(FOLLOWED_S, remove_canary).start()

    def weigh(self, weight: float) -> None:
        """Another share of the clients. Those that had the canary keep it when the share grows."""
        if self._split is not None:
            self._split = self._about = self._split.model_copy(update={"weight": weight})

    def state(self) -> dict[str, Any]:
        """For a person: which versions, how they do, and how it ended."""
        told = {arm: tally.told() for arm, tally in self._tallies.items()}
        about = {"stable": self._about.stable, "canary": self._about.canary, "weight": self._about.weight}
        return {**about, "running": self._split is not None, "ended": self._ended, "told": told}


def start_watch(split: Split, section: CanarySection) -> None:
    """Start dividing requests. What an earlier canary left is forgotten."""
    stop_watch()
    options = {"name": ACTOR, "namespace": NAMESPACE, "lifetime": "detached", "num_cpus": 0, "get_if_exists": False}
    actor: Any = ray.remote(Watch).options(**options)
    ray.get(actor.remote(split.model_dump(), section.model_dump()).state.remote())


def watch() -> Any:
    """The actor, or None where no canary was started."""
    try:
        return ray.get_actor(ACTOR, NAMESPACE)
    except ValueError:
        return None


def stop_watch() -> None:
    """Forget the canary: replicas stop dividing within a second."""
    actor = watch()
    if actor is not None:
        ray.kill(actor)


def remove_canary() -> None:
    """Take the canary's application down; its texts get `drain_s` to finish."""
    with contextlib.suppress(RayServeException):
        serve.delete(CANARY, _blocking=False)


class RayRollout:
    """Implements `novelray.endpoint.splitgate.Rollout` at a replica of the stable version."""

    def __init__(self) -> None:
        self.split: Split | None = None
        self._outcomes: list[Outcome] = []
        self._actor: Any = None
        self._canary: Any = None

    def report(self, outcome: Outcome) -> None:
        """See `Rollout.report`."""
        self._outcomes.append(outcome)

    async def run(self) -> None:
        """See `Rollout.run`."""
        while True:
            try:
                self.split = await self._exchange()
            except Exception:
                log.exception("the rollout did not answer: all requests go to the version here")
                self.split = self._actor = None
            await asyncio.sleep(EXCHANGE_S)

    async def forward(self, scope: Scope, body: bytes, send: Send) -> None:
        """See `Rollout.forward`."""
        if self._canary is None:
            self._canary = serve.get_deployment_handle(DEPLOYMENT, CANARY).options(stream=True)
        stream = self._canary.forward.remote(plain(scope), body)
        started: dict[bytes, bytes] | None = None
        try:
            await asyncio.wait_for(anext(stream), ACCEPT_S)
            async for messages in stream:
                for message in messages:
                    if message["type"] == "http.response.start":
                        if message["status"] >= 500:
                            raise ForwardError(f"it answered {message['status']}")
                        started = dict(message["headers"])
                    await send(message)
        except TimeoutError as error:
            raise ForwardError(f"none of its replicas took the request in {ACCEPT_S:g} s") from error
        except (RayServeException, ray.exceptions.RayError) as error:
            if started is None:
                raise ForwardError(str(error).strip().splitlines()[-1], isinstance(error, BackPressureError)) from error
            await _break_off(started, send)
        finally:
            stream.cancel()  # when the client left; without effect when all was said

    async def _exchange(self) -> Split | None:
        if self._actor is None:
            self._actor = await asyncio.to_thread(watch)
        if self._actor is None:
            self._outcomes.clear()
            return None
        outcomes, self._outcomes = self._outcomes, []
        try:
            found = await self._actor.exchange.remote([astuple(outcome) for outcome in outcomes])
        except ray.exceptions.RayActorError:
            self._actor = None
            return None
        return None if found is None else Split.model_validate(found)


async def _break_off(headers: dict[bytes, bytes], send: Send) -> None:
    """End an answer whose replica was lost in the middle: with an error that says so, where it is a stream."""
    if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
        error = ApiError(503, "The replica that wrote this text was lost. It can be tried again.", code="cancelled")
        await write(send, event(error.body()), last=True)
    else:
        raise ConnectionError("the replica was lost in the middle of an answer")

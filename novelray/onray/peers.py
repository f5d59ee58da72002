"""Calls to every replica of a version, from another replica or from the command line."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ray import serve
from ray.serve.exceptions import RayServeException

from novelray.onray.rollout import CANARY, DEPLOYMENT, RayRollout

log = logging.getLogger(__name__)

ANSWER_S = 10.0
"""Longest wait for the answers."""


class Replicas:
    """All replicas that a text may be written at: of the version that this process serves, and of a canary.

    Not those that are being stopped: a text that one of them finishes keeps its style.
    """

    def __init__(self, rollout: RayRollout) -> None:
        self._rollout = rollout
        self._handles: dict[str, Any] = {}

    async def restyle(self, job_id: str, style: Mapping[str, float]) -> dict[str, Any] | None:
        """What the replica that writes this text answers, or None."""
        here = serve.get_replica_context().app_name
        for application in (here,) if self._rollout.split is None else (here, CANARY):
            for answer in await self._ask(application, "restyle", job_id, dict(style)):
                if answer is not None:
                    return dict(answer)
        return None

    async def _ask(self, application: str, method: str, *args: Any) -> list[Any]:
        """The answers of all that are there; one that is just leaving may have none."""
        if application not in self._handles:
            self._handles[application] = serve.get_deployment_handle(DEPLOYMENT, application)
        try:
            response = self._handles[application].broadcast(method, *args)
            found = await response.results_async(timeout_s=ANSWER_S, return_exceptions=True)
        except (RayServeException, TimeoutError) as error:
            found = [error]
        for problem in (f for f in found if isinstance(f, BaseException)):
            log.warning("%s at another replica: %s", method, problem)
        return [answer for answer in found if not isinstance(answer, BaseException)]


def describe_all(application: str) -> list[dict[str, Any]]:
    """What each replica of an application serves and how busy it is; none where there is no such application."""
    if application not in serve.status().applications:
        return []
    try:
        handle: Any = serve.get_deployment_handle(DEPLOYMENT, application)
        if not handle.is_initialized:  # whatever the environment says: here is no event loop that it could share
            handle._init(_run_router_in_separate_loop=True)
        found = handle.broadcast("describe").results(timeout_s=ANSWER_S, return_exceptions=True)
    except (RayServeException, TimeoutError):
        return []
    return [dict(answer) for answer in found if isinstance(answer, dict)]

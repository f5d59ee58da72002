"""From one replica of the endpoint to the others."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from ray import serve

log = logging.getLogger(__name__)


class Replicas:
    """All replicas of the deployment that this process is one of."""

    async def restyle(self, job_id: str, style: Mapping[str, float]) -> dict[str, Any] | None:
        """What the replica that writes this text answers, or None."""
        answers = await self._ask("restyle", job_id, dict(style))
        return next((answer for answer in answers if answer is not None), None)

    async def _ask(self, method: str, *args: Any) -> list[Any]:
        """The answers of all that are there; one that is just leaving may have none."""
        here = serve.get_replica_context()
        handle: Any = serve.get_deployment_handle(here.deployment, here.app_name)
        found = await handle.broadcast(method, *args).results_async(timeout_s=10, return_exceptions=True)
        for problem in (f for f in found if isinstance(f, BaseException)):
            log.warning("%s at another replica: %s", method, problem)
        return [answer for answer in found if not isinstance(answer, BaseException)]

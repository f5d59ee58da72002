"""`POST /v1/completions`: continue a text."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from novelray.endpoint.schemas import CompletionRequest
from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.post("/v1/completions")
async def completions(body: CompletionRequest, service: Annotated[Service, Depends(service_of)]) -> Response:
    """The continuation, whole or as a stream."""
    service.check_ready()
    return service.reply(await service.planner.completion(body))

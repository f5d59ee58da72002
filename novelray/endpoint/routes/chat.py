"""`POST /v1/chat/completions`: answer the last message."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from novelray.endpoint.schemas import ChatRequest
from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.post("/v1/chat/completions")
async def chat_completions(body: ChatRequest, service: Annotated[Service, Depends(service_of)]) -> Response:
    """The answer, whole or as a stream."""
    service.check_ready()
    return service.reply(await service.planner.chat(body))

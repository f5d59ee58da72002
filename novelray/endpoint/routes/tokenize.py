"""`POST /v1/tokenize`: how many tokens a prompt or a chat has, before it is sent."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from novelray.endpoint.errors import ApiError
from novelray.endpoint.schemas import TokenizeRequest
from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.post("/v1/tokenize")
async def tokenize(body: TokenizeRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """Token ids, their number, and the longest context there is."""
    model = service.planner.model(body.model)
    if body.messages:
        ids = await service.planner.encode_chat(body.messages)
    elif body.prompt is not None:
        ids = await service.planner.encode(body.prompt)
    else:
        raise ApiError(422, "prompt: give a prompt or messages.", param="prompt", code="invalid_value")
    context = service.engine.capacity().context
    return {"model": model.id, "count": len(ids), "max_model_len": context, "tokens": list(ids)}

"""`POST /v1/completions/{id}/style`: another style for a text that is being written, from its next token on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from novelray.endpoint.errors import ApiError
from novelray.endpoint.schemas import StyleRequest
from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.post("/v1/completions/{job_id}/style")
@router.post("/v1/chat/completions/{job_id}/style")
async def restyle(job_id: str, body: StyleRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """What applies from now on. `job_id`: the `id` in every piece of the stream."""
    applied = await service.restyle(job_id, service.planner.style(body.style))
    if applied is None:
        message = f"No text {job_id!r} is being written now."
        raise ApiError(404, message, param="id", code="generation_not_found")
    return {"id": job_id, "object": "style", "style": applied}

"""`/health`: the process lives. `/ready`: it takes requests. Neither needs a key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.get("/health")
async def health() -> dict[str, str]:
    """200 as long as the event loop turns."""
    return {"status": "alive"}


@router.get("/ready")
async def ready(service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """200 with how busy the engine is, or 503."""
    service.check_ready()
    capacity = service.engine.capacity()
    return {"status": "ready", "running": capacity.running, "waiting": capacity.waiting}

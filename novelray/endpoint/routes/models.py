"""`/v1/models`: what can be asked for. Ids are immutable; the aliases of each are listed beside it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from novelray.endpoint.service import Service, service_of
from novelray.endpoint.settings import ServedModel

router = APIRouter(prefix="/v1/models")
Here = Annotated[Service, Depends(service_of)]


@router.get("")
async def models(service: Here) -> dict[str, Any]:
    """Every model."""
    return {"object": "list", "data": [_card(m, service) for m in service.settings.models]}


@router.get("/{name:path}")
async def model(name: str, service: Here) -> dict[str, Any]:
    """One model, by its id or an alias."""
    return _card(service.planner.model(name), service)


def _card(model: ServedModel, service: Service) -> dict[str, Any]:
    card = {"id": model.id, "object": "model", "created": model.created, "owned_by": "novelray"}
    heads = {name: list(classes) for name, classes in service.engine.heads().items()}
    card |= {} if model.parent is None else {"parent": model.parent}
    known = {"aliases": list(model.aliases), "max_model_len": service.engine.capacity().context}
    return {**card, **known, **({"tasks": heads} if heads else {})}

"""`POST /v1/classify` (vLLM's name for it, `/classify`, works too): what a head of the model says of texts."""

from __future__ import annotations

import time
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from novelray.endpoint.errors import ApiError
from novelray.endpoint.schemas import ClassifyRequest
from novelray.endpoint.service import Service, service_of

router = APIRouter()


@router.post("/v1/classify")
@router.post("/classify")
async def classify(body: ClassifyRequest, service: Annotated[Service, Depends(service_of)]) -> dict[str, Any]:
    """The likeliest class of each text, and the probability of every class in the order of `classes`."""
    service.check_ready()
    model = service.planner.model(body.model)
    task, classes = _head(service, model.id, body.task)
    texts = await service.planner.texts(body)
    tokens = sum(map(len, texts))
    service.reserve(model.id, tokens)
    data = []
    for index, ids in enumerate(texts):
        probs = list((await service.engine.classify(ids))[task])
        label = classes[probs.index(max(probs))]
        data.append({"index": index, "label": label, "probs": probs, "num_classes": len(classes)})
    service.prompt_read(tokens)
    usage = {"prompt_tokens": tokens, "completion_tokens": 0, "total_tokens": tokens}
    return {
        "id": f"classify-{uuid.uuid4().hex}", "object": "list", "created": int(time.time()), "model": model.id,
        "task": task, "classes": list(classes), "data": data, "usage": usage,
    }  # fmt: skip


def _head(service: Service, model: str, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """The head that is asked, or the only one, with its classes. Raises ApiError."""
    heads = service.engine.heads()
    there = ", ".join(heads)
    if not heads:
        message = f"{model} has no heads to classify with. A model gets them when it is trained with train.tasks."
        raise ApiError(404, message, param="model", code="task_not_found")
    if asked is None and len(heads) > 1:
        message = f"task: the model has several heads, say which one: {there}."
        raise ApiError(422, message, param="task", code="invalid_value")
    name = next(iter(heads)) if asked is None else asked
    if name not in heads:
        raise ApiError(404, f"{model} has no task {name!r}. It has: {there}.", param="task", code="task_not_found")
    return name, heads[name]

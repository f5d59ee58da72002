"""Position scaling: a model's configuration changed so that its rotary positions reach `factor` times as far.

What is changed is written in the names that transformers and vLLM read (`rope_parameters`, `max_position_embeddings`),
so that an exported model needs nothing of ours. `novelray_rope` beside them says what was asked for.

    linear   inverse frequencies divided by the factor
    yarn     transformers' own, with the attention temperature of DeepSeek-V3 where attention is latent (MLA)
    dynamic  a plain rotation with the base of the dynamic-NTK formula at the full extended length
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from novelray.errors import ModelError
from novelray.recipe.longtext import RopeSection

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

RECORD = "novelray_rope"


def scale_positions(config: PreTrainedConfig, rope: RopeSection | None) -> None:
    """Change a configuration in place, before a model is built from it. Asking for what is there changes nothing.

    Raises ModelError when the model has no rotary positions, or has scaled ones already.
    """
    if rope is None or not _needs_scaling(config.to_dict(), rope):
        return
    limit, values = int(config.max_position_embeddings), dict(config.rope_parameters)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    latent = getattr(config, "kv_lora_rank", None) is not None
    dim = int(head * values.get("partial_rotary_factor", 1.0))
    config.rope_parameters = {**values, **_parameters(rope, limit, float(values["rope_theta"]), dim, latent)}
    config.max_position_embeddings = int(limit * rope.factor)
    setattr(config, RECORD, rope.model_dump(mode="json"))


def positions_of(config: Mapping[str, Any], rope: RopeSection | None) -> int | None:
    """Tokens that the model of a `config.json` reads once it is scaled; None when it does not say."""
    limit = config.get("max_position_embeddings")
    if not isinstance(limit, int):
        return None
    return int(limit * rope.factor) if rope is not None and _needs_scaling(config, rope) else limit


def _needs_scaling(config: Mapping[str, Any], rope: RopeSection) -> bool:
    """Whether positions are still unscaled. Raises ModelError when they are scaled in another way."""
    values = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if any(isinstance(value, Mapping) for value in values.values()):
        raise ModelError("model.rope is set, and the base has positions of several kinds.", "Leave model.rope out.")
    record = config.get(RECORD) or {"type": values.get("rope_type") or values.get("type"), **values}
    kind, factor = record["type"] or "default", record.get("factor")
    if kind == "default":
        return True
    if kind == "dynamic" and RECORD not in config:  # it follows the longest text of a batch: not ours
        raise _scaled(rope, kind, factor)
    if (kind, factor) != (rope.type, rope.factor):
        raise _scaled(rope, kind, factor)
    return False


def check_same(there: RopeSection, asked: RopeSection) -> None:
    """Raise ModelError when positions that are scaled already are to be scaled in another way."""
    if there != asked:
        raise _scaled(asked, there.type, there.factor)


def _scaled(rope: RopeSection, kind: str, factor: object) -> ModelError:
    return ModelError(
        f"model.rope asks for {rope.type} × {rope.factor:g}, and the base has scaled positions: {kind} × {factor}.",
        "Leave model.rope out, or start from a base with plain positions.",
    )


def _parameters(rope: RopeSection, limit: int, theta: float, dim: int, latent: bool) -> dict[str, Any]:
    """What changes in `rope_parameters`. `limit`: tokens before; `dim`: rotated numbers per head."""
    if rope.type == "dynamic":
        return {"rope_type": "default", "rope_theta": ntk_theta(theta, rope.factor, dim)}
    values = {"rope_type": rope.type, "factor": rope.factor}
    if rope.type == "linear":
        return values
    # A latent head has a part without positions: the temperature has to be on the whole score, not on the rotation.
    temperature = {"mscale": 1.0, "mscale_all_dim": 1.0} if latent else {}
    return {**values, "original_max_position_embeddings": limit, **temperature}


def ntk_theta(theta: float, factor: float, dim: int) -> float:
    """The rotation's base for a context of `factor` times the original (dynamic NTK; bloc97 and emozilla, 2023)."""
    return float(theta * (factor * factor - (factor - 1.0)) ** (dim / (dim - 2)))

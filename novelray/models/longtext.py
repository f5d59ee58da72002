"""What a recipe changes in a base so that it reads long texts, and where a model says so.

A model in full says it in its config.json. An adapter leaves its base as it was, and says it in its `base.json`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from novelray.models.pattern import RECORD as ATTENTION
from novelray.models.pattern import pattern_of, set_pattern
from novelray.models.positions import RECORD as ROPE
from novelray.models.positions import check_same, scale_positions
from novelray.recipe.longtext import AttentionSection, RopeSection

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel


@dataclass(frozen=True)
class Changes:
    """Changes to a base; None leaves it as it is."""

    rope: RopeSection | None = None
    attention: AttentionSection | None = None

    def make(self, config: PreTrainedConfig) -> None:
        """Change a configuration in place, before the model is built. Raises ModelError when it cannot be done."""
        scale_positions(config, self.rope)
        set_pattern(config, self.attention)

    def over(self, adapter: Path) -> Changes:
        """These changes, and those that an adapter's folder records where there are none here.

        Raises ModelError when positions would differ from those that the adapter was trained with.
        """
        record = json.loads((adapter / "base.json").read_text("utf-8")) if (adapter / "base.json").is_file() else {}
        rope, attention = (record.get("changes", {}).get(name) for name in ("rope", "attention"))
        known = RopeSection.model_validate(rope) if rope else None
        if known is not None and self.rope is not None:
            check_same(known, self.rope)
        return Changes(
            self.rope or known, self.attention or (AttentionSection.model_validate(attention) if attention else None)
        )


UNCHANGED = Changes()


def changes_in(config: Any) -> dict[str, Any]:
    """What a model's configuration says was changed, for an adapter's record. Full attention is said aloud: the base
    may be a model that was sparse."""
    return {"rope": getattr(config, ROPE, None), "attention": getattr(config, ATTENTION, None) or {"type": "full"}}


def computing_its_attention(model: PreTrainedModel) -> PreTrainedModel:
    """The model, computing the attention that its configuration says. Raises ModelError when it cannot."""
    if pattern_of(model.config) is not None:
        from novelray.models.attention import use_pattern  # torch: late

        use_pattern(model)
    return model

"""Learning rates of another order than those that are usual: told, and used as they stand."""

from __future__ import annotations

from collections.abc import Iterator

from novelray.recipe import Recipe

USUAL = {"full": (1e-7, 1e-3, 1e-5), "lora": (1e-6, 1e-2, 1e-4)}
"""method → what is reasonable with AdamW, from and to, and what is usual. A method that changes other things than all
weights is an adapter's."""

FROM_NOTHING = (1e-5, 1e-2, 1e-3)
"""The same for a small model whose weights are random."""


def unusual_rates(recipe: Recipe) -> Iterator[str]:
    """A sentence for each stage whose learning rate is out of what is reasonable for its method."""
    stages = recipe.train.resolved()
    for stage in stages:
        scratch = stage is stages[0] and recipe.model.base.startswith("scratch:")
        low, high, usual = FROM_NOTHING if scratch else USUAL.get(stage.method, USUAL["lora"])
        rate = stage.learning_rate
        if low <= rate <= high:
            continue
        risk = "the model may lose what it knows, or diverge" if rate > high else "it may hardly change"
        what = "random weights" if scratch else f"method {stage.method!r}"
        yield (
            f"Stage {stage.name!r} has train.learning_rate {rate:g}; for {what} {low:g} to {high:g} is reasonable and "
            f"{usual:g} usual: {risk}. It is used as it stands."
        )

"""How a model is measured."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from novelray.recipe.base import PositiveInt, Section


class EvaluateSection(Section):
    """Automatic scores on the held-out chapters, for the model before and after training."""

    rows: PositiveInt = 512
    """Held-out rows for the perplexity."""

    samples: PositiveInt = 8
    """Continuations written for the repetition and diversity scores."""

    prompt_chars: PositiveInt = 40
    """Characters of a held-out chapter's opening given as the prompt."""

    sample_tokens: PositiveInt = 128
    """Tokens written per continuation."""

    ngrams: tuple[PositiveInt, ...] = (2, 3, 4)
    """Orders n of Rep-n and distinct-n."""

    temperature: Annotated[float, Field(gt=0)] = 0.8
    """Sampling temperature of the continuations."""

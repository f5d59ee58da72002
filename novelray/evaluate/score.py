"""Score one model on the held-out rows and on continuations that it writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from novelray.evaluate.metrics import distinct, perplexity, repetition
from novelray.recipe.evaluate import EvaluateSection
from novelray.shards.rows import Rows

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ROWS_AT_ONCE = 4


def score(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    rows: Rows,
    prompts: Sequence[str],
    section: EvaluateSection,
    seed: int,
) -> dict[str, Any]:
    """Perplexity on up to `section.rows` rows; Rep-n and distinct-n, in percent, of a continuation of each prompt.

    All of it is counted in tokens of the model's tokenizer: compare models that share one, as before and after do.
    """
    from novelray.generate.offline import complete
    from novelray.generate.protocol import Sampling

    sampling = Sampling(max_tokens=section.sample_tokens, temperature=section.temperature, seed=seed, ignore_eos=True)
    texts = complete(model, tokenizer, list(prompts), sampling)
    tokens = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    loss, count = held_out_loss(model, rows, section.rows)
    return {
        "perplexity": round(perplexity(loss, count), 4),
        "loss": round(loss / max(1, count), 6),
        "tokens": count,
        "samples": [{"prompt": p, "text": t} for p, t in zip(prompts, texts, strict=True)],
        **{f"rep_{n}": round(100 * _mean([repetition(t, n) for t in tokens]), 2) for n in section.ngrams},
        **{f"distinct_{n}": round(100 * distinct(tokens, n), 2) for n in section.ngrams},
    }


def held_out_loss(model: PreTrainedModel, rows: Rows, most: int) -> tuple[float, int]:
    """Summed loss in nats and trained tokens over the first `most` rows."""
    import torch

    from novelray.train.inputs import on_device
    from novelray.train.objective import NextTokenLoss

    objective = NextTokenLoss(model).eval()
    count = min(len(rows), most)
    device = str(next(model.parameters()).device)
    total = 0.0
    with torch.no_grad():
        for indices in np.array_split(np.arange(count), math.ceil(count / ROWS_AT_ONCE)):
            total += float(objective(*on_device(rows, indices, device)))
    return total, int(rows.trained[:count].sum())


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

"""What a copy of a model is held against: the marks of its weights, the tokens of a text, the logits behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from novelray.errors import DamagedError

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

TEXT = (
    "夜雨初歇，长街上只剩一盏灯。他收了伞，低声道：“先生，船还等着呢。”\n"
    "The rain had stopped by midnight, and she was still counting the letters—there were 37 of them.\n"
)
LONGEST = 128  # tokens; logits of a large vocabulary are big

TOLERANCE = {"f32": 1e-3, "f16": 1e-2, "bf16": 8e-2, "q8_0": 8e-2}
"""Largest difference of logits, root mean square over their spread, by the coarsest format on the way."""


KEPT = "Nothing was kept. Please report it, with the base model."


@dataclass(frozen=True)
class Reading:
    """Token ids of TEXT and the logits [tokens, vocabulary] after each, fp32."""

    ids: list[int]
    logits: torch.Tensor

    @property
    def tokens(self) -> int:
        return len(self.ids)


def reading_of(model: Any, tokenizer: PreTrainedTokenizerFast) -> Reading:
    """Let a model read TEXT, on the device where it is."""
    import torch

    limit = min(LONGEST, int(getattr(model.config, "max_position_embeddings", LONGEST)))
    ids = tokenizer(TEXT, add_special_tokens=False)["input_ids"][:limit]
    with torch.no_grad():
        logits = model.eval()(torch.tensor([ids], device=model.device), use_cache=False).logits[0]
    return Reading(ids, logits.float().cpu())


def marks_of(model: PreTrainedModel) -> dict[str, str]:
    """Name → hash of each weight's bytes: the logits of one text say nothing of tokens that it does not have."""
    import torch
    import xxhash

    return {
        name: xxhash.xxh3_128_hexdigest(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
        for name, weight in model.state_dict().items()
    }


def hold_marks(before: dict[str, str], after: dict[str, str]) -> None:
    """Raise DamagedError, naming the first, when weights are missing, there besides, or others."""
    wrong = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if wrong:
        raise DamagedError(f"What was written, read again, has {len(wrong)} other weights, first {wrong[0]}.", KEPT)


def hold_against(before: Reading, after: Reading, dtype: str) -> float:
    """How far the logits differ (root mean square, in units of their standard deviation).

    Raises DamagedError when the tokens differ, or the logits by more than the format explains.
    """
    if before.ids != after.ids:
        raise DamagedError("What was written, read again, cuts a text into other tokens.", KEPT)
    if before.logits.shape != after.logits.shape:
        raise DamagedError("What was written, read again, has a vocabulary of another size.", KEPT)
    difference = float((before.logits - after.logits).pow(2).mean().sqrt() / before.logits.std().clamp_min(1e-9))
    if not difference <= TOLERANCE[dtype]:
        raise DamagedError(
            f"What was written, read again, gives other logits: they differ by {difference:.2g} of their spread, and "
            f"{dtype} explains {TOLERANCE[dtype]:g}.",
            KEPT,
        )
    return difference

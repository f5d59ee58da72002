"""Whether a trained model may take the place of the one it started from: a pure decision on measured perplexities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from novelray.recipe.registry import PromotionSection

OVERFITTING = (
    "Overfitting: it learned the training rows (loss {first:.3f} → {last:.3f}) and not what they have in common.",
    "Try fewer train.epochs or train.early_stopping, a lower train.learning_rate, lora.dropout, or more books.",
)
NOT_LEARNED = (
    "The training loss did not fall either ({first:.3f} → {last:.3f}).",
    "The steps are likely too large: try a tenth of train.learning_rate, or a longer train.warmup.",
)
SHIFT = (
    "Distribution shift: the new rows differ from the old ones, and took their place.",
    "Try train.continual.replay 0.2 to 0.5, train.continual.ewc, a lower train.learning_rate, or method lora.",
)


@dataclass(frozen=True)
class Change:
    """Perplexity on some rows, of the model that training started from and of the one it made."""

    before: float
    after: float

    @property
    def rise(self) -> float:
        """As a share of the value before; negative when it fell."""
        return self.after / self.before - 1.0

    def exceeds(self, allowed: float | None) -> bool:
        """Whether it rose by more than allowed; None allows everything."""
        return allowed is not None and self.after > self.before * (1.0 + allowed)


@dataclass(frozen=True)
class Verdict:
    """`reasons` are for people, empty when the model is promoted; `hints` say what to try."""

    reasons: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()

    @property
    def promoted(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def judge(section: PromotionSection, heldout: Change | None, old: Change | None, losses: Sequence[float]) -> Verdict:
    """The verdict on a model. `heldout`, `old`: its change on held-out rows of what it was trained on and of what it
    knew before; None where there are none. `losses`: the training loss of each logged step, in nats per token."""
    reasons, hints = [], []
    if heldout is not None and heldout.exceeds(section.heldout_rise):
        why, hint = OVERFITTING if _fell(losses) else NOT_LEARNED
        first, last = _ends(losses)
        reasons.append(f"{_risen('held-out rows', heldout, section.heldout_rise)} {why.format(first=first, last=last)}")
        hints.append(hint)
    if old is not None and old.exceeds(section.old_rise):
        reasons.append(f"{_risen('old rows', old, section.old_rise)} {SHIFT[0]}")
        hints.append(SHIFT[1])
    return Verdict(tuple(reasons), tuple(hints))


def _risen(rows: str, change: Change, allowed: float | None) -> str:
    return (
        f"Perplexity on {rows} rose from {change.before:.4g} to {change.after:.4g} ({change.rise:+.1%}, allowed "
        f"{allowed:+.1%})."
    )


def _ends(losses: Sequence[float]) -> tuple[float, float]:
    """The mean loss of the first and of the last tenth of the steps."""
    count = max(1, len(losses) // 10)
    return sum(losses[:count]) / count, sum(losses[-count:]) / count


def _fell(losses: Sequence[float]) -> bool:
    first, last = _ends(losses)
    return last < first

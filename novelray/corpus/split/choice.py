"""A family of marks with the chain of its real headings: what the rules propose and `choose` decides between."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from novelray.corpus.split.numbering import Link

SHORT_MEDIAN, LONG_MEDIAN = 300.0, 60_000.0  # a middle chapter outside of these speaks against a family


@dataclass(frozen=True)
class Choice:
    """A family with its chain of headings, the `body_size` of each, and what the rule itself found wrong."""

    family: str
    score: float
    chain: list[Link]
    anchored: bool
    sizes: list[float]
    errors: tuple[str, ...] = ()

    @property
    def middle(self) -> float:
        """`body_size` of the middle chapter."""
        return median(self.sizes)

    @property
    def alike(self) -> float:
        """Share of the chapters whose length is within eight times the middle one's."""
        middle = self.middle
        return sum(middle / 8 <= size <= middle * 8 for size in self.sizes) / len(self.sizes)

    @property
    def rule(self) -> str:
        """For people: the family, and whether its headings stand in lines of their own."""
        return f"{self.family.removeprefix('zh:')} ({'line' if self.anchored else 'inline'})"


def plausible(middle: float) -> float:
    """How far the length of the middle chapter speaks for a family: 0.3 to 1."""
    return min(1.0, max(0.3, middle / SHORT_MEDIAN)) if middle < LONG_MEDIAN else 0.6
